#!/bin/sh
# Ready: a master that the Sentinels want, or a replica whose link is up. The first time, it also opens the server for writes
# (see start-redis.sh).
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

# one FIELD: its value in a Sentinel's answer on standard input, which has a line each for names and values.
one() { sed -n "/^$1\$/{n;p;}"; }

# Whether each Sentinel takes this server for the master, finds nothing wrong with it and has heard from it since it started, and none
# is failing over from it. One that has not heard from it yet may be about to, by the votes of others that found the server back
# since: what was written meanwhile would be lost. Most of them do once such a failover would have been given up (10 s to be elected,
# then twice the failover-timeout).
wanted_as_master() {
  started=$(stat -c %.3Y "$closed" | tr -d .,)
  now=$(date +%s%3N)
  agreed=0 i=0
  while [ "$i" -lt "$members" ]; do
    state=$(ask "$(member "$i")" "$SENTINEL_PORT" sentinel master "$MASTER_NAME" || true)
    flags=$(printf '%s\n' "$state" | one flags)
    case $flags in
    *failover_in_progress* | *o_down*) return 1 ;;
    master)
      heard=$(($(date +%s%3N) - $(printf '%s\n' "$state" | one last-ok-ping-reply)))
      if [ "$heard" -gt "$started" ] && [ "$(printf '%s\n' "$state" | one ip)" = "$self" ]; then agreed=$((agreed + 1)); fi
      ;;
    esac
    i=$((i + 1))
  done
  [ "$agreed" -eq "$members" ] || { [ "$agreed" -gt $((members / 2)) ] && [ $((now - started)) -ge 40000 ]; }
}

info=$(ask 127.0.0.1 "$REDIS_PORT" info replication | tr -d '\r')
case $info in
*role:master*) [ ! -e "$closed" ] || wanted_as_master || exit 1 ;;
*master_link_status:up*) ;;
*) exit 1 ;;
esac
if [ -e "$closed" ]; then
  [ "$(ask 127.0.0.1 "$REDIS_PORT" config set min-replicas-to-write "$MIN_REPLICAS")" = OK ] || exit 1
  rm -f "$closed"
fi
