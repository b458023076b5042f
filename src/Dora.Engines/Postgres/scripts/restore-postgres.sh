#!/usr/bin/env bash
# Takes a dump (custom format) from the pipe $STAGE/data and restores it into the empty database $PGDATABASE, in one transaction that is committed
# only when the agent approved the stream, counts the rows on the way, and says in $STAGE/outcome how that ended, or in $OUTCOME. What it makes belongs to
# $ROLE, or to who it logs in as.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/outcome.sh"

ask() {
    psql --no-psqlrc --no-password --tuples-only --no-align --set ON_ERROR_STOP=1 --command "$1" 2>"$work/log"
}

approved() {
    [[ $(cat "$STAGE/verdict" 2>/dev/null) == ok ]]
}

# The dump as SQL, in one transaction; a pipe that breaks off looks like one that ended, so the end is not left to the pipe. pg_restore stops reading
# when it has what it needs, which may be before the agent has come to the end and said that all is right.
statements() {
    echo 'BEGIN;'
    if { pg_restore --file=- --no-owner --no-privileges ${ROLE:+--role="$ROLE"} && cat >/dev/null; } <"$STAGE/data" 2>"$work/check" && approved && [[ ! -s $work/check ]]; then
        echo yes >"$work/committed"
        echo 'COMMIT;'
    else
        echo 'ROLLBACK;'
    fi
}

main() {
    local relations codes=(0 0 0) facts
    relations=$(ask "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND c.relkind IN ('r', 'p', 'm', 'v', 'S', 'f')") ||
        fail "psql: $(tail -n 1 "$work/log")"
    ((relations == 0)) || fail "database $PGDATABASE holds $relations relations already, which are never written over"
    statements | LC_ALL=C awk -v through=1 -v facts="$work/facts" -f "$(dirname "$0")/count-rows.awk" |
        psql --no-psqlrc --no-password --quiet --set ON_ERROR_STOP=1 --output /dev/null 2>"$work/log" || codes=("${PIPESTATUS[@]}")
    ((codes[2] == 0)) || fail "psql: $(grep -m 1 ERROR "$work/log" || tail -n 1 "$work/log")"
    approved || fail "the stream broke off: $(tail -n 1 "$work/check")"
    [[ -e $work/committed ]] || fail "pg_restore: $(tail -n 1 "$work/check")"
    mapfile -t facts <"$work/facts"
    outcome exit=0 "database=$PGDATABASE" "${facts[@]}"
}

main
