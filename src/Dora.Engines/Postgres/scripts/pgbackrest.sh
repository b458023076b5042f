#!/usr/bin/env bash
# Runs pgBackRest with the configuration beside this file, and with the secrets that lie in $BACKUP (/backup) now: a renewed credential needs no
# restart, and no secret is in an argument.
set -euo pipefail

# export_file NAME FILE: nothing where the file is missing; pgBackRest then says what it lacks.
export_file() {
    local value
    [[ -s $2 ]] || return 0
    value=$(<"$2")
    export "$1=$value"
}

main() {
    local secrets=${BACKUP:-/backup}
    export_file PGBACKREST_REPO1_S3_KEY "$secrets/store/accessKeyId"
    export_file PGBACKREST_REPO1_S3_KEY_SECRET "$secrets/store/secretAccessKey"
    export_file PGBACKREST_REPO1_S3_TOKEN "$secrets/store/sessionToken"
    export_file PGBACKREST_REPO1_CIPHER_PASS "$secrets/keys/pgbackrest"
    # What clients of the stack must speak the store need not.
    [[ ${1:-} == server ]] || unset OPENSSL_CONF
    export PGBACKREST_STANZA=main
    exec pgbackrest --config="$(dirname "$0")/pgbackrest.conf" "$@"
}

main "$@"
