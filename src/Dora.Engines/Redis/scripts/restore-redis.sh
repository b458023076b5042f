#!/usr/bin/env bash
# Takes a data set (RDB) from the pipe $STAGE/data, has it checked, and lays it into the empty volume $DATA so that a server with append-only
# files starts with it (of a bare dump.rdb such a server loads nothing). Says in $STAGE/outcome how that ended. Nothing is laid down unless the
# agent approved the stream: a pipe that breaks off looks like one that ended.
set -euo pipefail

work=$(mktemp -d)
arriving=$DATA/arriving.rdb

outcome() {
    printf '%s\n' "$@" >"$STAGE/outcome.new"
    mv "$STAGE/outcome.new" "$STAGE/outcome"
}

fail() {
    rm -f "$arriving"
    outcome exit=1 "error=$1"
    exit 1
}

main() {
    local keys
    [[ ! -e $DATA/appendonlydir && ! -e $DATA/dump.rdb ]] || fail "$DATA holds data already, which is never written over"
    cat "$STAGE/data" >"$arriving" || fail "the stream could not be written to $DATA: see whether the volume is full"
    [[ $(cat "$STAGE/verdict" 2>/dev/null) == ok ]] || fail "the stream broke off"
    redis-check-rdb "$arriving" >"$work/check" 2>&1 || fail "redis-check-rdb: $(tail -n 1 "$work/check")"
    keys=$(sed -nE 's/^\[info\] ([0-9]+) keys read$/\1/p' "$work/check")
    [[ $(sed -nE 's/^\[offset ([0-9]+)\] .* RDB looks OK.*$/\1/p' "$work/check") == $(stat -c %s "$arriving") ]] || fail "something follows the end of the RDB"
    mkdir "$DATA/appendonlydir.new"
    mv "$arriving" "$DATA/appendonlydir.new/appendonly.aof.1.base.rdb"
    echo "file appendonly.aof.1.base.rdb seq 1 type b" >"$DATA/appendonlydir.new/appendonly.aof.manifest"
    sync
    mv "$DATA/appendonlydir.new" "$DATA/appendonlydir"
    outcome exit=0 "keys=$keys"
}

main
