#!/usr/bin/env bash
# Writes a dump of database $PGDATABASE (custom format, not compressed: the agent does that) into the pipe $STAGE/data, reads it on the way as a
# restore would, counts its rows, and says in $STAGE/outcome how that ended. $PGHOST, $PGPORT, $PGUSER, $PGPASSWORD, $PGSSLMODE and $PGSSLROOTCERT
# say how to connect; $PARTS is all, schema or data.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/outcome.sh"

parts=()
case ${PARTS:-all} in
schema) parts=(--schema-only) ;;
data) parts=(--data-only) ;;
esac

main() {
    local codes=(0 0 0 0) facts
    pg_dump --no-password --format=custom --compress=0 "${parts[@]}" 2>"$work/log" | tee "$STAGE/data" |
        pg_restore --file=- 2>"$work/check" | LC_ALL=C awk -v facts="$work/facts" -f "$(dirname "$0")/count-rows.awk" || codes=("${PIPESTATUS[@]}")
    ((codes[0] == 0)) || fail "pg_dump of $PGDATABASE from $PGHOST: $(tail -n 1 "$work/log")"
    ((codes[2] == 0)) || fail "pg_restore cannot read the dump of $PGDATABASE: $(tail -n 1 "$work/check")"
    ((codes[1] == 0 && codes[3] == 0)) || fail "the agent took no more data"
    mapfile -t facts <"$work/facts"
    outcome exit=0 "database=$PGDATABASE" "parts=${PARTS:-all}" "${facts[@]}"
}

main
