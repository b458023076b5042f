#!/bin/sh
# Starts the Redis server in the role that the Sentinels give it.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

umask 077
conf=/run/redis/redis.conf
{
  cat /config/redis.conf
  printf 'masterauth "%s"\n' "$(cat /secret/replica-password)"
  printf 'replica-announce-ip %s\nreplica-announce-port %s\n' "$self" "$REDIS_PORT"
} >"$conf"

# The server aborts on comments in this file.
{
  echo "user default off resetpass resetkeys resetchannels -@all"
  echo "user admin on #$(hash_of /secret/admin-password) ~* &* +@all"
  echo "user replica on #$(hash_of /secret/replica-password) resetkeys resetchannels -@all +psync +replconf +ping"
  echo "user sentinel on #$(hash_of /secret/sentinel-password) resetkeys allchannels -@all +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill +script|kill"
  echo "user app on #$(hash_of /secret-app/app-password) ~* &* +@all -@admin -@dangerous +info +keys"
  # Users that the operator set while the server ran, as the server saved them.
  if [ -e /data/users.acl ]; then
    grep '^user ' /data/users.acl | grep -v -E '^user (default|admin|replica|sentinel|migrate|app) ' || true
  fi
} >/data/users.acl.new
mv /data/users.acl.new /data/users.acl

if [ "$MODE" = Standalone ]; then
  while initialized && empty_volume; do
    log "the volume is empty although this stack held data: restore it, or delete the stack; refusing to serve an empty store"
    sleep 10
  done
  exec redis-server "$conf"
fi

# A master that is back before the Sentinels have missed it for long goes on. If they have begun to fail over, they do not stop
# because it is back: what it accepted until they demote it would be lost, though a replica had confirmed it. So a server takes no
# writes, whoever sends them, until ready.sh finds that the Sentinels want it as it is.
touch "$closed"
echo "min-replicas-to-write 1000" >>"$conf"

master=$(choose_master)
while [ "$master" = "$self" ] && initialized && empty_volume; do
  log "named as master with an empty volume: waiting until the Sentinels elect a member that has the data"
  sleep 1
  master=$(choose_master)
done
if [ "$master" = "$self" ]; then
  log "starting as master"
else
  log "starting as replica of $master"
  echo "replicaof $master $REDIS_PORT" >>"$conf"
fi
exec redis-server "$conf"
