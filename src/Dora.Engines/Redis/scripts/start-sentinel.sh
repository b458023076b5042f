#!/bin/sh
# Starts the Sentinel. Its configuration lives on the volume: it remembers the master across outages and is written only once.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

umask 077
conf=/data/sentinel/sentinel.conf
if [ ! -s "$conf" ]; then
  mkdir -p /data/sentinel
  master=$(choose_master)
  {
    sed -e "s/@MASTER@/$master/" -e "s/@QUORUM@/$(cat /memory/quorum)/" /config/sentinel.conf
    printf 'sentinel announce-ip %s\n' "$self"
    printf 'sentinel auth-pass %s %s\n' "$MASTER_NAME" "$(cat /secret/sentinel-password)"
    printf 'sentinel sentinel-pass %s\n' "$(cat /secret/admin-password)"
    printf 'user admin on #%s ~* &* +@all\n' "$(hash_of /secret/admin-password)"
  } >"$conf.new"
  mv "$conf.new" "$conf"
  log "watching $master"
fi

# Names of new pods take a moment to resolve.
tries=0
until getent hosts "$(remembered)" >/dev/null || [ "$tries" -ge 20 ]; do
  tries=$((tries + 1))
  sleep 0.5
done
exec redis-sentinel "$conf"
