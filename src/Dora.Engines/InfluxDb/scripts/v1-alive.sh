#!/bin/sh
# Alive: answers the same question as readiness, in whatever words. A refused password is no reason for a restart.
set -eu
# A pod of an older stack version mounts no name, and then it is the first user's turn.
INFLUX_USERNAME=monitor
[ ! -e /secret/monitor-username ] || INFLUX_USERNAME=$(cat /secret/monitor-username)
INFLUX_PASSWORD=$(cat /secret/monitor-password)
export INFLUX_USERNAME INFLUX_PASSWORD
answer=$(timeout 4 influx -host 127.0.0.1 -port "$HTTP_PORT" -execute 'SHOW DATABASES' 2>&1) || case $answer in
*"authorization failed"* | *"authentication credentials"*) ;;
*) exit 1 ;;
esac
