#!/bin/sh
# Sets the server up before it can be reached from outside the pod: until then, anybody may claim it. User, organisation, bucket
# and token are those of the Secret, so each server of the stack is set up alike. Runs once for each volume; passwords and tokens
# go by standard input, never as arguments.
set -eu

log() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >&2; }

fail() {
  log "$*"
  exit 1
}

url=http://127.0.0.1:$HTTP_PORT/api/v2

if [ ! -s "$DATA/influxd.bolt" ]; then
  # A second server may begin empty at any time: the first one feeds it.
  [ "$(cat /memory/initialized)" != true ] || [ "${POD_NAME%-0}" = "$POD_NAME" ] ||
    fail "the volume is empty although this stack held data: restore it, or delete the stack; refusing to serve an empty store"
  rm -f "$DATA/.set-up"
fi
[ ! -e "$DATA/.set-up" ] || exit 0

# Tasks wait for the server that everybody reaches.
INFLUXD_HTTP_BIND_ADDRESS=127.0.0.1:$HTTP_PORT INFLUXD_NO_TASKS=true influxd run &
server=$!

stop() {
  kill "$server" 2>/dev/null || true
  wait "$server" || true
}
trap stop EXIT
trap 'exit 143' TERM INT

tries=0
until allowed=$(curl -sf -m 5 "$url/setup"); do
  kill -0 "$server" 2>/dev/null || fail "the server ended; its reason stands above"
  tries=$((tries + 1))
  [ "$tries" -lt 300 ] || fail "the server did not answer within a minute"
  sleep 0.2
done

case $allowed in
*'"allowed"'*true*)
  code=$(printf '{"username":"admin","password":"%s","org":"%s","bucket":"%s","retentionPeriodSeconds":0,"token":"%s"}' \
    "$(cat /secret/admin-password)" "$ORGANIZATION" "$BUCKET" "$(cat /secret/admin-token)" |
    curl -s -m 30 -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @- "$url/setup") || true
  [ "$code" = 201 ] || fail "setup was refused with HTTP status $code"
  log "set up"
  ;;
esac

code=$(printf 'Authorization: Token %s\n' "$(cat /secret/admin-token)" | curl -s -m 10 -o /dev/null -w '%{http_code}' -H @- "$url/buckets?limit=1") || true
[ "$code" = 200 ] || fail "the administrator's token is refused with HTTP status $code; Secret $SECRET_NAME does not belong to this volume"
touch "$DATA/.set-up"
