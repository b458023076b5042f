#!/bin/sh
# Ready: a user who logs in gets an answer from the store of users and databases.
set -eu
INFLUX_USERNAME=monitor
INFLUX_PASSWORD=$(cat /secret/monitor-password)
export INFLUX_USERNAME INFLUX_PASSWORD
exec timeout 4 influx -host 127.0.0.1 -port "$HTTP_PORT" -execute 'SHOW DATABASES' >/dev/null
