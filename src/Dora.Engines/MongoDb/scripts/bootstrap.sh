#!/bin/bash
# Founds the replica set and creates its first user, each once in the life of the set, over localhost: until there is a user, the
# server lets in only who is in the pod. It can start again at any moment: each round looks at how things stand, and ends when
# the administrator's password opens the server.
set -eu
cd "$(dirname "$0")"
wait=2
until mongosh --quiet --norc "mongodb://127.0.0.1:$MONGODB_PORT/?directConnection=true&serverSelectionTimeoutMS=3000" ./bootstrap.js >&2; do
  sleep "$wait"
  if [ "$wait" -lt 30 ]; then wait=$((wait * 2)); fi
done
# Nothing is left to do, and a container of a running pod must not end.
trap 'kill $!; exit 143' TERM
while :; do sleep 86400 & wait $!; done
