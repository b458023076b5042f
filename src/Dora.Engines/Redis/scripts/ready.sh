#!/bin/sh
# Ready: a master that the Sentinels want, or a replica whose link is up. The first time, it also opens the server for writes
# (see start-redis.sh).
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

# one FIELD: its value in a Sentinel's answer on standard input, which has a line each for names and values.
one() { sed -n "/^$1\$/{n;p;}"; }

# Whether most Sentinels take this server for the master and find nothing wrong with it, and none is failing over from it. One that
# does not answer may be doing so, by the votes of others that found the server back since: what was written meanwhile would be
# lost. Until such a failover would have been given up (10 s to be elected, then twice the failover-timeout) all must answer.
wanted_as_master() {
  agreed=0 silent=0 i=0
  while [ "$i" -lt "$members" ]; do
    state=$(ask "$(member "$i")" "$SENTINEL_PORT" sentinel master "$MASTER_NAME" || true)
    flags=$(printf '%s\n' "$state" | one flags)
    case $flags in
    *failover_in_progress*) return 1 ;;
    '') silent=$((silent + 1)) ;;
    esac
    if [ "$flags" = master ] && [ "$(printf '%s\n' "$state" | one ip)" = "$self" ]; then agreed=$((agreed + 1)); fi
    i=$((i + 1))
  done
  [ "$agreed" -gt $((members / 2)) ] || return 1
  [ "$silent" -eq 0 ] || [ $(($(date +%s) - $(stat -c %Y "$closed"))) -ge 40 ]
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
