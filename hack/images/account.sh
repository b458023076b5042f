#!/bin/sh
# account.sh ROOT NAME ID HOME: the user an image runs as. It must be there before the packages are,
# which would make one with a number of their own choice. Used by build.sh and by the Dockerfiles.
set -eu
root=${1%/} name=$2 id=$3 home=$4

echo "$name:x:$id:" >>"$root/etc/group"
echo "$name:x:$id:$id::$home:/bin/sh" >>"$root/etc/passwd"
