# shellcheck shell=sh disable=SC2154
# A part of start-cluster.sh: keeps a member that lost its volume from emptying the replicas of the one that it was.

# Whether a member that answers takes the one at this name or address for a master with replicas.
followed() {
  i=0
  while [ "$i" -lt "$members" ]; do
    host=$(member "$i")
    i=$((i + 1))
    [ "$host" != "$self" ] || continue
    # ID, IP:PORT@BUSPORT,NAME, flags, ID of its master
    if { ask "$host" "$REDIS_PORT" cluster nodes || true; } | awk -v name=",$self," -v address="$POD_IP:" '
      (index($2 ",", name) || index($2, address) == 1) && $3 ~ /master/ { mine[$1] = 1 }
      $3 ~ /slave/ { of[$4] = 1 }
      END { for (id in mine) if (id in of) exit 0; exit 1 }'; then
      return 0
    fi
  done
  return 1
}

# Without nodes.conf this is a new member. Replicas of the one that was here reach it at the same address, and would make
# themselves as empty as it is, before they have missed the other one for long enough to take its place.
while initialized && [ ! -e /data/nodes.conf ] && followed; do
  log "the volume is empty, and others follow the master that was here: waiting until one of them has taken its place"
  sleep 1
done
