#!/bin/sh
# Starts a member of a cluster. Who it is, and what it serves, stands in nodes.conf on its volume; the operator brings it together
# with the others.
set -eu
# shellcheck source=src/Dora.Engines/Redis/scripts/common.sh
. /config/common.sh

umask 077
conf=/run/redis/redis.conf
{
  cat /config/redis.conf
  printf 'masterauth "%s"\n' "$(cat /secret/replica-password)"
  # The address changes with each pod, and the others learn it; the name is what clients are told.
  printf 'cluster-announce-ip %s\ncluster-announce-hostname %s\n' "$POD_IP" "$self"
} >"$conf"

# The server aborts on comments in this file.
{
  echo "user default off resetpass resetkeys resetchannels -@all"
  echo "user admin on #$(hash_of /secret/admin-password) ~* &* +@all"
  echo "user replica on #$(hash_of /secret/replica-password) resetkeys resetchannels -@all +psync +replconf +ping"
  echo "user migrate on #$(hash_of /secret/migrate-password) ~* resetchannels -@all +restore-asking +restore +select"
  echo "user app on #$(hash_of /secret-app/app-password) ~* &* +@all -@admin -@dangerous +info +keys"
  # Users that the operator set while the server ran, as the server saved them.
  if [ -e /data/users.acl ]; then
    grep '^user ' /data/users.acl | grep -v -E '^user (default|admin|replica|sentinel|migrate|app) ' || true
  fi
} >/data/users.acl.new
mv /data/users.acl.new /data/users.acl

exec redis-server "$conf"
