#!/bin/sh
# Ready: sees every slot served, and is a master or a replica whose link is up.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh
ask 127.0.0.1 "$REDIS_PORT" cluster info | tr -d '\r' | grep -q -x 'cluster_state:ok'
ask 127.0.0.1 "$REDIS_PORT" info replication | tr -d '\r' | grep -q -x -e 'role:master' -e 'master_link_status:up'
