#!/bin/sh
# Ready: a user who logs in gets an answer from the store of users and databases.
set -eu
# A pod of an older stack version mounts no name, and then it is the first user's turn.
INFLUX_USERNAME=monitor
[ ! -e /secret/monitor-username ] || INFLUX_USERNAME=$(cat /secret/monitor-username)
INFLUX_PASSWORD=$(cat /secret/monitor-password)
export INFLUX_USERNAME INFLUX_PASSWORD
exec timeout 4 influx -host 127.0.0.1 -port "$HTTP_PORT" -execute 'SHOW DATABASES' >/dev/null
