#!/bin/sh
# prepare.sh ROOT: before the packages come, whose installation would otherwise make a database.
set -eu
root=${1%/}

mkdir -p "$root/etc/postgresql-common"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
