#!/usr/bin/env bash
# Takes a dump from the pipe $STAGE/data into a new cluster in the empty folder $DATA/data, as Patroni's pods expect it: database $PGDATABASE, which
# belongs to the application's role, and the servers' own roles with this cluster's passwords. With DRILL=1 it sets none, has every index checked,
# and asks the questions in /checks. Says in $STAGE/outcome how that ended.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/outcome.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/local-postgres.sh"

readonly PGDATA=$DATA/data

# As Patroni makes one.
create() {
    mkdir -p "$PGDATA"
    [[ -z $(ls -A "$PGDATA") ]] || fail "$PGDATA holds data already, which is never written over"
    initdb --pgdata="$PGDATA" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth-host=scram-sha-256 --auth-local=peer >"$work/log" 2>&1 ||
        fail "initdb: $(tail -n 1 "$work/log")"
    start_postgres -c archive_mode=off || fail "PostgreSQL does not start: $(server_says)"
    ask postgres 'CREATE ROLE app NOLOGIN'
    ask postgres "$(printf '\\getenv name PGDATABASE\nCREATE DATABASE :"name" OWNER app')"
}

load() {
    PGHOST=$work PGUSER=postgres ROLE=app OUTCOME=$work/loaded bash "$(dirname "$0")/restore-postgres.sh" && return
    cp "$work/loaded" "$STAGE/outcome.new"
    mv "$STAGE/outcome.new" "$STAGE/outcome"
    exit 1
}

main() {
    local found=''
    create
    load
    if [[ ${DRILL:-} == 1 ]]; then
        check_indexes
        found=$(answers)
    else
        set_passwords
    fi
    stop_postgres
    outcome "$(cat "$work/loaded")" "$found"
}

main
