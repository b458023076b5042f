#!/usr/bin/env bash
# Takes a data set (RDB) from the pipe $STAGE/data, has it checked, and lays it into the empty volume $DATA so that a server with append-only
# files starts with it (of a bare dump.rdb such a server loads nothing). Says in $STAGE/outcome how that ended. Nothing is laid down unless the
# agent approved the stream: a pipe that breaks off looks like one that ended. With $DRILL a server is started on it that nobody outside reaches,
# and asked what is in $CHECKS (/checks).
set -euo pipefail

work=$(mktemp -d)
arriving=$DATA/arriving.rdb
server=""

outcome() {
    printf '%s\n' "$@" >"$STAGE/outcome.new"
    mv "$STAGE/outcome.new" "$STAGE/outcome"
}

fail() {
    rm -f "$arriving"
    outcome exit=1 "error=$1"
    exit 1
}

# fact PATTERN: a number that redis-check-rdb found.
fact() {
    sed -nE "s/^\\[info\\] ([0-9]+) $1\$/\\1/p" "$work/check"
}

lay_down() {
    [[ ! -e $DATA/appendonlydir && ! -e $DATA/dump.rdb ]] || fail "$DATA holds data already, which is never written over"
    cat "$STAGE/data" >"$arriving" || fail "the stream could not be written to $DATA: see whether the volume is full"
    [[ $(cat "$STAGE/verdict" 2>/dev/null) == ok ]] || fail "the stream broke off"
    redis-check-rdb "$arriving" >"$work/check" 2>&1 || fail "redis-check-rdb: $(tail -n 1 "$work/check")"
    [[ $(sed -nE 's/^\[offset ([0-9]+)\] .* RDB looks OK.*$/\1/p' "$work/check") == $(stat -c %s "$arriving") ]] || fail "something follows the end of the RDB"
    mkdir "$DATA/appendonlydir.new"
    mv "$arriving" "$DATA/appendonlydir.new/appendonly.aof.1.base.rdb"
    echo "file appendonly.aof.1.base.rdb seq 1 type b" >"$DATA/appendonlydir.new/appendonly.aof.manifest"
    sync
    mv "$DATA/appendonlydir.new" "$DATA/appendonlydir"
}

ask() {
    redis-cli -s "$work/socket" --raw "$@"
}

start_server() {
    redis-server --dir "$DATA" --appendonly yes --save "" --port 0 --unixsocket "$work/socket" >"$work/log" 2>&1 &
    server=$!
    # It answers LOADING while it reads.
    until [[ $(ask ping 2>/dev/null) == PONG ]]; do
        kill -0 "$server" 2>/dev/null || fail "redis-server does not start with the restored data: $(tail -n 1 "$work/log")"
        sleep 0.2
    done
}

# Keys with a time may have run out since; all others must be there.
served() {
    local served
    served=$(ask info keyspace | sed -nE 's/^db[0-9]+:keys=([0-9]+),.*$/\1/p' | awk '{ sum += $1 } END { print sum + 0 }')
    ((served >= $(fact "keys read") - $(fact expires))) || fail "redis-server serves $served keys of the $(fact "keys read") that were restored"
    echo "served=$served"
}

checks() {
    local query name answer result
    for query in "${CHECKS:-/checks}"/*.query; do
        [[ -e $query ]] || continue
        name=$(basename "$query" .query)
        answer=$(xargs redis-cli -s "$work/socket" --raw <"$query" 2>&1) || true
        result=passed
        [[ $answer == "$(cat "${query%.query}.expect")" ]] || result="failed: got ${answer:0:200}"
        echo "check:$name=${result//$'\n'/ }"
    done
}

main() {
    local facts=()
    lay_down
    if [[ ${DRILL:-} == 1 ]]; then
        start_server
        served >"$work/facts" || exit 1
        checks >>"$work/facts"
        mapfile -t facts <"$work/facts"
        ask shutdown nosave 2>/dev/null || true
        wait "$server" || true
    fi
    outcome exit=0 "count:keys=$(fact "keys read")" "count:expires=$(fact expires)" "${facts[@]}"
}

main
