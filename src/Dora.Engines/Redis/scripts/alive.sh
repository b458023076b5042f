#!/bin/sh
# Alive: answers at all. Loading a file or missing a master is no reason for a restart.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh
ask 127.0.0.1 "$REDIS_PORT" ping | grep -q -e PONG -e LOADING -e MASTERDOWN
