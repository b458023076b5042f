#!/usr/bin/env bash
# Reads all that a restore of the backup that $STAGE/facts names would read, and lays nothing down: the files of the backup and of those that it builds
# on, and the log up to $TARGET, which must be in it. pgBackRest can only verify its whole repository: of that, what this restore does not read may be broken. Says in
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

# position LSN: as a number.
position() {
    echo $(((16#${1%/*} << 32) + 16#${1#*/}))
}

# has_point FILE...: whether these files of the log, which lie in $work/segments and follow each other, have the restore point after the backup's end.
has_point() {
    local found
    # Where the log ends, pg_waldump finds no valid record; it says so as if that were an error.
    pg_waldump --path="$work/segments" --rmgr=XLOG "$1" "${!#}" >"$work/records" 2>"$work/log" ||
        grep -qE 'error in WAL record|could not find a valid record' "$work/log" || fail "pg_waldump $1: $(tail -n 1 "$work/log")"
    while IFS= read -r found; do
        [[ ${found#* } != "$TARGET" ]] || (($(position "${found%% *}") < $(position "$(fact lsn-stop)"))) || return 0
    done < <(sed -nE 's/^.* lsn: ([0-9A-F]+\/[0-9A-F]+), .* desc: RESTORE_POINT (.*)$/\1 \2/p' "$work/records")
    return 1
}

# named: the log has the restore point that is asked for. PostgreSQL finds out at the end of the log, when there is nothing left to go back to.
named() {
    local path name batch=()
    [[ ${TARGET_TYPE:-} == name ]] || return 0
    mkdir -p "$work/segments"
    asked log >"$work/paths"
    while read -r path; do
        name=$(basename "$path")
        name=${name%%-*}
        if ((${#batch[@]} == 16)) || [[ -n ${batch[*]} && ${batch[0]:0:8} != "${name:0:8}" ]]; then
            ! has_point "${batch[@]}" || return 0
            # A record may begin in one file and end in the next, though not on the next timeline.
            (cd "$work/segments" && rm -f "${batch[@]:0:${#batch[@]}-1}")
            if [[ ${batch[0]:0:8} == "${name:0:8}" ]]; then batch=("${batch[-1]}"); else batch=(); fi
        fi
        stored repo-get "archive/main/$path" >"$work/segment"
        python3 "$scripts/unzstd.py" <"$work/segment" >"$work/segments/$name" 2>"$work/log" || fail "file $name of the log is not as it was stored: $(tail -n 1 "$work/log")" BackupBroken
        touch "$STAGE/alive"
        batch+=("$name")
    done <"$work/paths"
    if [[ -z ${batch[*]} ]] || ! has_point "${batch[@]}"; then fail "the log after backup $(fact label) has no restore point $TARGET" OutsideWindow; fi
}

main() {
    local how files
    told
    archived
    how=$(asked point)
    named
    verify
    # Says where each file of the backup is. Without it, what is broken in one that the backup builds on counts.
    bash "$scripts/pgbackrest.sh" repo-get "backup/main/$(fact label)/backup.manifest" --log-level-console=off >"$work/archive/manifest" 2>/dev/null ||
        rm -f "$work/archive/manifest"
    files=$(asked whole)
    outcome exit=0 "label=$(fact label)" "restores=$how" "$files"
}

main
