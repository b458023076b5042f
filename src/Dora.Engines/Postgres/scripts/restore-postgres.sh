#!/usr/bin/env bash
# Takes a dump (custom format) from the pipe $STAGE/data and restores it into the empty database $PGDATABASE, in one transaction that is committed
# only when the agent approved the stream, counts the rows on the way, and says in $STAGE/outcome how that ended, or in $OUTCOME. What it makes belongs to
# $ROLE, or to who it logs in as. With PARTS=data the tables must be there, and empty.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/outcome.sh"

ask() {
    psql --no-psqlrc --no-password --tuples-only --no-align --quiet --set ON_ERROR_STOP=1 2>"$work/log" <<<"$1"
}

approved() {
    [[ $(cat "$STAGE/verdict" 2>/dev/null) == ok ]]
}

# The dump as SQL, in one transaction; a pipe that breaks off looks like one that ended, so the end is not left to the pipe. pg_restore stops reading
# when it has what it needs, which may be before the agent has come to the end and said that all is right.
statements() {
    echo 'BEGIN;'
    if { pg_restore --file=- --no-owner --no-privileges ${ROLE:+--role="$ROLE"} "${left_out[@]}" && cat >/dev/null; } <"$STAGE/data" 2>"$work/check" && approved && [[ ! -s $work/check ]]; then
        echo yes >"$work/committed"
        echo 'COMMIT;'
    else
        echo 'ROLLBACK;'
    fi
}

readonly OWN="n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"

# What is there already is never written over.
empty() {
    local found
    if [[ ${PARTS:-all} == data ]]; then
        found=$(ask "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $OWN AND c.relkind IN ('r', 'p') LIMIT 1") || fail "psql: $(tail -n 1 "$work/log")"
        [[ -n $found ]] || fail "database $PGDATABASE has no tables, and the dump holds rows alone: restore a dump of its schema first"
        # Each table that has rows, by name.
        found=$(ask "SELECT format('SELECT %L FROM %s LIMIT 1', c.oid::regclass, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $OWN AND c.relkind = 'r'"$'\n''\gexec') ||
            fail "psql: $(tail -n 1 "$work/log")"
        [[ -z $found ]] || fail "table ${found%%$'\n'*} of database $PGDATABASE holds rows already, which are never written over"
        return
    fi
    found=$(ask "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE $OWN AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')") ||
        fail "psql: $(tail -n 1 "$work/log")"
    ((found == 0)) || fail "database $PGDATABASE holds $found relations already, which are never written over"
}

# What the operator keeps in each database that the pooler serves is there; pg_restore leaves out what a schema holds, and not the schema.
left_out=()
there=''

main() {
    local codes=(0 0 0) facts kept
    empty
    kept=$(ask "SELECT to_regnamespace('pooler')") || fail "psql: $(tail -n 1 "$work/log")"
    if [[ -n $kept ]]; then
        left_out=(--exclude-schema=pooler)
        there=pooler
    fi
    statements | LC_ALL=C awk -v through=1 -v there="$there" -v facts="$work/facts" -f "$(dirname "$0")/count-rows.awk" |
        psql --no-psqlrc --no-password --quiet --set ON_ERROR_STOP=1 --output /dev/null 2>"$work/log" || codes=("${PIPESTATUS[@]}")
    ((codes[2] == 0)) || fail "psql: $(grep -m 1 ERROR "$work/log" || tail -n 1 "$work/log")"
    approved || fail "the stream broke off: $(tail -n 1 "$work/check")"
    [[ -e $work/committed ]] || fail "pg_restore: $(tail -n 1 "$work/check")"
    mapfile -t facts <"$work/facts"
    outcome exit=0 "database=$PGDATABASE" "${facts[@]}"
}

main
