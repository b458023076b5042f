#!/bin/bash
# Starts the server. It accepts a keyfile only if nobody else could read it, and the file of a Secret has its group's bits.
set -eu
umask 077
rm -f /run/mongodb/keyfile
cat /secret/keyfile >/run/mongodb/keyfile
chmod 0400 /run/mongodb/keyfile
mkdir -p /data/db

# A member looks for itself in the configuration by its name. Where that still leads to the pod before this one, the server would
# take itself for removed, and stay so.
tries=0
until getent ahosts "$POD_NAME.$DOMAIN" | grep -q -F "$POD_IP " || [ "$tries" -ge 60 ]; do
  tries=$((tries + 1))
  sleep 1
done
exec mongod --config /config/mongod.conf "$@"
