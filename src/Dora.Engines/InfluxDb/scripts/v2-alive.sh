#!/bin/sh
# Alive: answers the same question as readiness with anything but a fault of its own. A refused token is no reason for a restart.
set -eu
code=$(printf 'Authorization: Token %s\n' "$(cat /secret/admin-token)" |
  curl -s -m 4 -o /dev/null -w '%{http_code}' -H @- "http://127.0.0.1:$HTTP_PORT/api/v2/buckets?limit=1")
[ "$code" -ge 200 ] && [ "$code" -lt 500 ]
