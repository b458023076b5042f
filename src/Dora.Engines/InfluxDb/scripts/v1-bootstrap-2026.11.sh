#!/bin/sh
# Makes the administrator and the monitor before the server can be reached from outside the pod: as long as there is no
# administrator, anybody may become it. The server started here listens on loopback and opens the users only, not the data, so
# this takes a second however large the data is; it runs before each start. Passwords go by environment and standard input,
# never as arguments.
set -eu

log() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >&2; }

fail() {
  log "$*"
  exit 1
}

# as USER PASSWORD-FILE: says what stands on standard input.
as() {
  INFLUX_USERNAME=$1 INFLUX_PASSWORD=$(cat "$2") timeout 20 influx -host 127.0.0.1 -port "$HTTP_PORT" 2>&1
}

as_nobody() { timeout 20 influx -host 127.0.0.1 -port "$HTTP_PORT" 2>&1; }

if [ "$(cat /memory/initialized)" = true ] && [ ! -s "$DATA/meta/meta.db" ]; then
  fail "the volume is empty although this stack held data: restore it, or delete the stack; refusing to serve an empty store"
fi

INFLUXDB_HTTP_SHARED_SECRET=$(cat /secret/jwt-secret)
export INFLUXDB_HTTP_SHARED_SECRET
# Without the data nothing that works on data may run: it would take all points for lost.
INFLUXDB_HTTP_BIND_ADDRESS=127.0.0.1:$HTTP_PORT \
  INFLUXDB_DATA_DIR=/tmp/data INFLUXDB_DATA_WAL_DIR=/tmp/wal \
  INFLUXDB_RETENTION_ENABLED=false INFLUXDB_SHARD_PRECREATION_ENABLED=false INFLUXDB_CONTINUOUS_QUERIES_ENABLED=false \
  INFLUXDB_MONITOR_STORE_ENABLED=false influxd run &
server=$!

stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" || true
}
trap stop EXIT
trap 'exit 143' TERM INT

created=false tries=0
until answer=$(echo 'SHOW USERS' | as admin /secret/admin-password); do
  kill -0 "$server" 2>/dev/null || fail "the server ended; its reason stands above"
  case $answer in
  *"Failed to connect"*)
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || fail "the server did not answer within a minute"
    sleep 0.2
    ;;
  *)
    # Nobody may do this once there is an administrator: then the password is another one.
    if [ "$created" = true ] ||
      ! printf "CREATE USER \"admin\" WITH PASSWORD '%s' WITH ALL PRIVILEGES\n" "$(cat /secret/admin-password)" | as_nobody >/dev/null; then
      fail "the administrator's password is refused; Secret $SECRET_NAME does not belong to this volume"
    fi
    created=true
    log "made the administrator"
    ;;
  esac
done

if ! echo 'SHOW DATABASES' | as monitor /secret/monitor-password >/dev/null; then
  password=$(cat /secret/monitor-password)
  printf "CREATE USER \"monitor\" WITH PASSWORD '%s'\n" "$password" | as admin /secret/admin-password >/dev/null ||
    printf "SET PASSWORD FOR \"monitor\" = '%s'\n" "$password" | as admin /secret/admin-password >/dev/null ||
    fail "the monitor cannot be made"
  log "made the monitor"
fi
