#!/usr/bin/env bash
# Takes a dump from the pipe $STAGE/data and lays it into the empty volume $DATA as the first member of replica set $REPLICA_SET, which $MEMBER is from then
# on; the others come to it empty. The server that does it listens on loopback and knows no users. $ADMIN_USERNAME is the administrator from now on, with $ADMIN_PASSWORD. With DRILL=1 every
# collection is validated, and checks are asked. Says in $STAGE/outcome how that ended.
set -euo pipefail

# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"

export PORT=${PORT:-27017}
here=$(dirname "$0")
arriving=$DATA/arriving
server=

# step NAME: one step of restore-mongodb.js.
step() {
    STEP=$1 mongosh --quiet --norc "mongodb://127.0.0.1:$PORT/?directConnection=true&serverSelectionTimeoutMS=3000" "$here/restore-mongodb.js"
}

# until_done NAME: the same, until it is done.
until_done() {
    until step "$1" >"$work/step" 2>&1; do
        kill -0 "$server" 2>/dev/null || fail "mongod ended: $(tail -n 1 "$work/server")"
        alive
        sleep 0.5
    done
}

# start ARGUMENT...: nothing expires while nobody looks.
start() {
    mongod --dbpath "$arriving" --bind_ip 127.0.0.1 --port "$PORT" --unixSocketPrefix "$work" --wiredTigerCacheSizeGB "$CACHE_GB" \
        --setParameter ttlMonitorEnabled=false "$@" >>"$work/server" 2>&1 &
    server=$!
    until_done answers
}

# stop: it writes everything down first.
stop() {
    [[ -n $server ]] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" || fail "mongod did not end well: $(tail -n 1 "$work/server")"
    server=
}

tidy() {
    [[ -z $server ]] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$arriving"
}

ask_check() {
    CHECK=$1 DATABASE=$2 step check
}

# restore: has mongorestore take it all, whose end it may not reach when it has enough.
restore() {
    { mongorestore --host=127.0.0.1 "--port=$PORT" --archive --oplogReplay 2>"$work/log" && cat >/dev/null; } <"$STAGE/data"
}

problem() {
    echo "mongorestore: $(grep -i -m 1 'failed:' "$work/log" || tail -n 1 "$work/log")"
}

main() {
    local facts answers=()
    rmdir "$DATA/db" 2>/dev/null || true
    [[ ! -e $DATA/db ]] || fail "$DATA holds data already, which is never written over"
    rm -rf "$arriving"
    mkdir "$arriving"
    start --replSet "$REPLICA_SET"
    until_done found
    : >"$work/log"
    # It tells of its progress every few seconds, also while it builds indexes.
    if ! growing "$work/log" restore; then
        approved || fail "the stream broke off"
        exit 1
    fi
    approved || fail "the stream broke off"
    ! grep -q -E '[1-9][0-9]* (failures?\)|document\(s\) failed)' "$work/log" || fail "mongorestore: $(grep -m 1 -E '[1-9][0-9]* (failures?\)|document\(s\) failed)' "$work/log")"
    stop
    # Alone, its configuration and users can be changed (MongoDB manual, "Change Hostnames in a Self-Managed Replica Set").
    start
    step own >"$work/step" 2>&1 || fail "the restored data cannot be made this stack's: $(tail -n 1 "$work/step")"
    if [[ ${DRILL:-} == 1 ]]; then
        step validate >"$work/step" 2>&1 || fail "validate: $(tail -n 1 "$work/step")"
        mapfile -t answers < <(checks)
    fi
    stop
    mapfile -t facts < <(awk -f "$here/count-documents.awk" "$work/log")
    sync
    mv "$arriving" "$DATA/db"
    outcome exit=0 "${facts[@]}" "${answers[@]}"
}

main
