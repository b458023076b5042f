#!/bin/bash
# Before a primary stops, a secondary that has everything takes over. When none can, the server tries once more at its own end.
set -eu
cd "$(dirname "$0")"
# shellcheck source=src/Dora.Engines/MongoDb/scripts/hello.sh
. ./hello.sh
hello_says isWritablePrimary || exit 0
timeout 30 mongosh --quiet --norc "mongodb://127.0.0.1:$MONGODB_PORT/?directConnection=true&serverSelectionTimeoutMS=3000" ./stop.js >&2 || true
