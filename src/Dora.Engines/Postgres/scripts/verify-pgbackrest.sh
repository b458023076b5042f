#!/usr/bin/env bash
# Reads all that a restore of the backup that $STAGE/facts names would read, and lays nothing down: the files of the backup and of those that it builds
# on, and the log up to $TARGET. pgBackRest can only verify its whole repository: of that, what this restore does not read may be broken. Says in
# $STAGE/outcome how that ended.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/run-pgbackrest.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/archive-pgbackrest.sh"

# What pgBackRest has used of its processor: it says nothing while all is well, and one that waits for a store that is silent uses none.
used() {
    cat /proc/[0-9]*/stat 2>/dev/null | awk '/\(pgbackrest\)/ { sum += $14 + $15 } END { print sum + 0 }' || true
}

verify() {
    local pid seen='' now
    # It asks the store for each file, however small: it waits more than it computes.
    bash "$scripts/pgbackrest.sh" verify --process-max=8 --output=text --verbose --log-level-console=info --log-level-stderr=off >"$work/archive/verified" 2>&1 &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(used)
        [[ $now == "$seen" ]] || touch "$STAGE/alive"
        seen=$now
        sleep 0.5
    done
    wait "$pid" && return
    cp "$work/archive/verified" "$work/log"
    fail "pgbackrest verify: $(reason)"
}

main() {
    local how files
    told
    archived
    how=$(asked point)
    verify
    # Says where each file of the backup is. Without it, what is broken in one that the backup builds on counts.
    bash "$scripts/pgbackrest.sh" repo-get "backup/main/$(fact label)/backup.manifest" --log-level-console=off >"$work/archive/manifest" 2>/dev/null ||
        rm -f "$work/archive/manifest"
    files=$(asked whole)
    outcome exit=0 "label=$(fact label)" "restores=$how" "$files"
}

main
