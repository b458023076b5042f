#!/bin/sh
# Before a master stops, one of its replicas takes over: the master holds writes back until the replica has them all. The operator
# asks for that before it restarts a pod; this is for pods that others end, such as a node that is drained.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

role() { ask 127.0.0.1 "$REDIS_PORT" role | head -n 1; }

[ "$(role)" = master ] || exit 0
id=$(ask 127.0.0.1 "$REDIS_PORT" cluster myid)
# Lines of replicas that are not failed; "ip:port@bus,host".
ask 127.0.0.1 "$REDIS_PORT" cluster replicas "$id" | grep -v fail | while read -r _ address _; do
  host=${address%%:*}
  if [ "$(ask "$host" "$REDIS_PORT" cluster failover)" = OK ]; then
    break
  fi
done
tries=0
until [ "$(role)" = slave ] || [ "$tries" -ge 20 ]; do
  tries=$((tries + 1))
  sleep 0.5
done
