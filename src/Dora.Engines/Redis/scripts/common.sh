# shellcheck shell=sh
# Sourced by the scripts of a Redis pod. Passwords are read from files and handed on by environment, never as arguments.
set -eu

# shellcheck disable=SC2034 # for the scripts that source this
self="$POD_NAME.$DOMAIN"
members=$(cat /memory/members)
# There while the server takes no writes yet.
# shellcheck disable=SC2034
closed=/run/redis/closed

log() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >&2; }

member() { printf '%s-%s.%s' "$CLUSTER" "$1" "$DOMAIN"; }

hash_of() { printf '%s' "$(cat "$1")" | sha256sum | cut -d' ' -f1; }

# ask HOST PORT COMMAND...
ask() {
  host=$1 port=$2
  shift 2
  REDISCLI_AUTH=$(cat /secret/admin-password) timeout 2 redis-cli --no-auth-warning --user admin -h "$host" -p "$port" "$@" 2>/dev/null
}

# Whether the engine has ever held data, as the operator knows it.
initialized() { [ "$(cat /memory/initialized)" = true ]; }

empty_volume() { [ ! -e /data/appendonlydir ] && [ ! -e /data/dump.rdb ]; }

# Asks every Sentinel who is master; prints "VOTES HOST" of the name most of them give, or nothing.
sentinels_say() {
  i=0
  while [ "$i" -lt "$members" ]; do
    ask "$(member "$i")" "$SENTINEL_PORT" sentinel get-master-addr-by-name "$MASTER_NAME" | head -n 1 || true
    i=$((i + 1))
  done | grep -F ".$DOMAIN" | sort | uniq -c | sort -rn | head -n 1 | sed 's/^ *//'
}

# The master that this pod's own Sentinel wrote down last.
remembered() { sed -n "s/^sentinel monitor $MASTER_NAME \([^ ]*\) .*/\1/p" /data/sentinel/sentinel.conf 2>/dev/null || true; }

# Prints the master's name. The order matters: starting ordinal 0 as master after an outage would lose acknowledged writes.
# 1. what a majority of Sentinels says; 2. after a while, what any says, what this volume or the operator remembers;
# 3. ordinal 0, only where there never was data.
choose_master() {
  tries=0
  while :; do
    said=$(sentinels_say)
    votes=${said%% *}
    if [ "${votes:-0}" -gt $((members / 2)) ]; then
      echo "${said#* }"
      return
    fi
    if ! initialized && [ ! -e /data/sentinel/sentinel.conf ]; then
      if [ -n "$said" ]; then echo "${said#* }"; else member 0; fi
      return
    fi
    if [ "$tries" -ge 10 ]; then
      for candidate in "${said#* }" "$(remembered)" "$(last_primary)"; do
        if [ -n "$candidate" ]; then
          echo "$candidate"
          return
        fi
      done
      log "no Sentinel answers and nobody remembers a master; waiting, because a wrong guess loses data"
    fi
    tries=$((tries + 1))
    sleep 1
  done
}

last_primary() {
  pod=$(cat /memory/last-primary 2>/dev/null || true)
  if [ -n "$pod" ]; then printf '%s.%s' "$pod" "$DOMAIN"; fi
}
