#!/bin/sh
# Ready: the administrator's token is taken, and the store of buckets answers. /health and /ready of 2.7 say yes to anybody, always.
set -eu
printf 'Authorization: Token %s\n' "$(cat /secret/admin-token)" |
  curl -sf -m 4 -o /dev/null -H @- "http://127.0.0.1:$HTTP_PORT/api/v2/buckets?limit=1"
