#!/usr/bin/env bash
# Takes from the pipe $STAGE/data what backup-influxdb1.sh wrote, and lays it into the empty volume $DATA by a server that nobody outside of the pod reaches.
# Says in $STAGE/outcome how that ended. $ADMIN_USERNAME is the administrator from now on, with $ADMIN_PASSWORD; with DRILL=1 checks are asked too.
set -euo pipefail

export HOST=127.0.0.1 PORT=${PORT:-8086}
server=

if [[ ${1:-} == lay ]]; then
    # One line of the stream, as influx-lines.awk gives it; the folder is the other's.
    # shellcheck source=src/Dora.Engines/InfluxDb/scripts/influxql.sh
    . "$(dirname "$0")/influxql.sh"
    # shellcheck source=src/Dora.Engines/InfluxDb/scripts/influx-lay.sh
    . "$(dirname "$0")/influx-lay.sh"
    lay "${@:2}"
    exit
fi
# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"
# shellcheck source=src/Dora.Engines/InfluxDb/scripts/influxql.sh
. "$(dirname "$0")/influxql.sh"
export work
arriving=$DATA/arriving

# start: a server that changes nothing by itself: nothing expires, no query runs.
start() {
    INFLUXDB_REPORTING_DISABLED=true INFLUXDB_BIND_ADDRESS=127.0.0.1:0 INFLUXDB_HTTP_BIND_ADDRESS=$HOST:$PORT INFLUXDB_HTTP_AUTH_ENABLED=false \
        INFLUXDB_HTTP_LOG_ENABLED=false INFLUXDB_DATA_QUERY_LOG_ENABLED=false INFLUXDB_MONITOR_STORE_ENABLED=false INFLUXDB_META_RETENTION_AUTOCREATE=false \
        INFLUXDB_RETENTION_ENABLED=false INFLUXDB_SHARD_PRECREATION_ENABLED=false INFLUXDB_CONTINUOUS_QUERIES_ENABLED=false \
        INFLUXDB_META_DIR=$arriving/meta INFLUXDB_DATA_DIR=$arriving/data INFLUXDB_DATA_WAL_DIR=$arriving/wal INFLUXDB_DATA_INDEX_VERSION=tsi1 \
        INFLUXDB_DATA_MAX_SERIES_PER_DATABASE=0 INFLUXDB_DATA_MAX_VALUES_PER_TAG=0 influxd run >>"$work/server" 2>&1 &
    server=$!
    until databases >"$work/databases"; do
        kill -0 "$server" 2>/dev/null || fail "influxd: $(tail -n 1 "$work/server")"
        alive
        sleep 0.2
    done
}

stop() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    [[ -z $server ]] || wait "$server" || true
    server=
}

tidy() {
    stop
    rm -rf "$arriving"
}

problem() {
    cat "$work/refused" 2>/dev/null || status
}

# counts: what the server finds, as backup-influxdb1.sh counts it.
counts() {
    local database policy number values total=0
    : >"$work/counted"
    while read -r database; do
        values=0
        policies "$database" >"$work/policies"
        while IFS='|' read -r policy _; do
            number=$(counted "$database" "$policy")
            values=$((values + number))
        done <"$work/policies"
        echo "$values $database" >>"$work/counted"
        total=$((total + values))
    done <"$work/databases"
    echo "count:databases=$(wc -l <"$work/databases")"
    echo "count:values=$total"
    echo "count:continuous-queries=$(echo 'SHOW CONTINUOUS QUERIES;' | ask | wc -l)"
    echo "count:users=$(echo 'SHOW USERS;' | ask | wc -l)"
    sort -k1,1nr -k2,2 "$work/counted" | head -n 40 | sed -E 's/^([0-9]+) (.*)$/count:values:\2=\1/'
}

# counted DATABASE POLICY: how many values there are.
counted() {
    local measurement type field
    # Into a file: two questions at a time would be written over each other.
    fields "$1" "$2" >"$work/fields"
    while IFS='|' read -r measurement type field _; do
        echo "SELECT COUNT($(name "$field")::$type) FROM $(name "$1").$(name "$2").$(name "$measurement");"
    done <"$work/fields" | ask | awk -F '|' '{ n += $4 } END { print n + 0 }'
}

# ask_check FILE DATABASE: the values of the answer without names, tags and time: rows on lines, values between commas.
ask_check() {
    { cat "$1" && echo ';'; } | question
    post "/query?epoch=ns&chunked=true&db=${2:+$(printf '%s' "$2" | LC_ALL=C awk -f "$here/influx-form.awk" | sed 's/^q=//; s/%20$//')}" "$work/question" |
        LC_ALL=C awk -v status="$work/status" -f "$here/influx-csv.awk" -f "$here/influx-answer.awk" || { status >&2 && return 1; }
}

# rules: what must not hold while data is laid down: policies keep it for their time, and queries run, from the next start on.
rules() {
    local password=${ADMIN_PASSWORD//\\/\\\\}
    {
        cat "$work/rules" 2>/dev/null || true
        echo "CREATE USER \"$ADMIN_USERNAME\" WITH PASSWORD '${password//\'/\\\'}' WITH ALL PRIVILEGES;"
    } | ask >/dev/null
}

main() {
    local facts answers=()
    [[ ! -e $DATA/meta && ! -e $DATA/data && ! -e $DATA/wal ]] || fail "$DATA holds data already, which is never written over"
    rm -rf "$arriving"
    mkdir "$arriving"
    start
    if ! LC_ALL=C awk -v script="$0" -v batch="$work/batch" -f "$here/influx-lines.awk" <"$STAGE/data"; then
        approved || fail "the stream broke off"
        exit 1
    fi
    approved || fail "the stream broke off"
    # What counts is what a server finds on the volume.
    stop
    start
    mapfile -t facts < <(counts)
    ((${#facts[@]} > 3)) || fail "$(problem)"
    [[ ${DRILL:-} != 1 ]] || mapfile -t answers < <(checks)
    rules
    stop
    sync
    mv "$arriving/wal" "$DATA/wal"
    mv "$arriving/data" "$DATA/data"
    mv "$arriving/meta" "$DATA/meta"
    outcome exit=0 "${facts[@]}" "${answers[@]}"
}

main
