#!/bin/sh
# Before a master stops, another member takes over, and nothing acknowledged is lost: a Sentinel's failover promotes the new
# master a moment before it demotes the old one, and what the old one accepts in between would vanish. So writes wait first,
# until this server ends. This pod's own Sentinel is stopping too, so the others are asked.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

replicas_caught_up() {
  info=$(ask 127.0.0.1 "$REDIS_PORT" info replication | tr -d '\r')
  offset=$(echo "$info" | sed -n 's/^master_repl_offset://p')
  ! echo "$info" | grep '^slave[0-9]' | grep -q -v "offset=$offset,"
}

another_is_master() {
  said=$(sentinels_say)
  [ -n "$said" ] && [ "${said#* }" != "$self" ]
}

[ "$(ask 127.0.0.1 "$REDIS_PORT" role | head -n 1)" = master ] || exit 0
ask 127.0.0.1 "$REDIS_PORT" client pause 60000 write >/dev/null
tries=0
until replicas_caught_up || [ "$tries" -ge 10 ]; do
  tries=$((tries + 1))
  sleep 0.2
done
i=0
while [ "$i" -lt "$members" ]; do
  host=$(member "$i")
  if [ "$host" != "$self" ] && [ "$(ask "$host" "$SENTINEL_PORT" sentinel failover "$MASTER_NAME")" = OK ]; then
    break
  fi
  i=$((i + 1))
done
tries=0
until another_is_master || [ "$tries" -ge 20 ]; do
  tries=$((tries + 1))
  sleep 0.5
done
