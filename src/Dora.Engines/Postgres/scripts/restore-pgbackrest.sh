#!/usr/bin/env bash
# Restores the backup that $STAGE/facts names into the empty folder $DATA/data, as Patroni's pods expect it: has PostgreSQL recover there, out of
# everybody's reach, up to $TARGET_TIME (RFC 3339) where one is given, gives the servers' own roles this cluster's passwords, and stops it. With
# DRILL=1 it sets none, has every page and every index checked, and asks the questions in /checks. Says in $STAGE/outcome how that ended.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/run-pgbackrest.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/local-postgres.sh"

readonly PGDATA=$DATA/data

fact() {
    sed -n "s/^$1=//p" "$STAGE/facts"
}

# When the newest file of the archive was stored; the store knows whole seconds.
archived_until() {
    local newest folder file
    newest=$(about newest "$(fact label)")
    read -r folder file <<<"$newest"
    bash "$scripts/pgbackrest.sh" repo-ls "$folder" --filter="^$file" --output=json --log-level-console=off 2>"$work/log" |
        python3 -c 'import json, sys; print(max(entry["time"] for entry in json.load(sys.stdin).values()) + 1)' || fail "pgbackrest repo-ls: $(reason)"
}

restore() {
    local options=(--set="$(fact label)" --type="$1")
    case $1 in
    # PostgreSQL knows no Z at this moment.
    time) options+=(--target="${TARGET_TIME/%Z/+00}" --target-action=promote) ;;
    immediate) options+=(--target-action=promote) ;;
    esac
    rest restore "${options[@]}" --recovery-option=restore_command="bash $scripts/pgbackrest.sh archive-get %f \"%p\"" ||
        fail "pgbackrest restore: $(reason)"
}

# Whatever the archive holds, it ends before the point; and that point is not after what was archived. So nothing was committed in between.
recover() {
    start_postgres "$@" && return
    grep -q 'recovery ended before configured recovery target was reached' "$work/server" || return 1
    start_postgres "$@" -c recovery_target_time=
}

# How the servers find their archive is in their own configuration, and where a recovery ends is over.
forget_target() {
    local name
    for name in restore_command recovery_target recovery_target_time recovery_target_action recovery_target_timeline; do
        ask postgres "ALTER SYSTEM RESET $name" >/dev/null
    done
}

# Where these servers archive, another system may have been the last one: one that was built anew, and stored a backup before this restore. From now
# on it is this one again, beside it; what is not done here the next backup does.
archive_on() {
    [[ $(sed -n 's/^repo1-path=//p' "$scripts/pgbackrest.conf") == "$PGBACKREST_REPO1_PATH" ]] || return 0
    rest stanza-upgrade --no-online >&2 || echo "not-archived=$(reason)"
}

# Restored servers write a log of their own; it is archived once they archive again. That of a drill is nobody's.
archiving() {
    if [[ ${DRILL:-} == 1 ]]; then echo off; else echo on; fi
}

main() {
    local how until found=''
    until [[ -e $STAGE/verdict ]]; do sleep 0.2; done
    [[ $(cat "$STAGE/verdict") == ok ]] || fail 'the agent could not say what is restored'
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    [[ -z $(ls -A "$PGDATA") ]] || fail "$PGDATA holds data already, which is never written over"
    PGBACKREST_REPO1_PATH=$(fact repository)
    export PGBACKREST_REPO1_PATH PGBACKREST_PG1_PATH=$PGDATA
    until=$(archived_until)
    how=$(about point "$(fact label)" "$until" ${TARGET_TIME:+"$TARGET_TIME"})
    restore "$how"
    recover -c archive_mode="$(archiving)" -c archive_command= || fail "PostgreSQL does not recover: $(server_says)"
    forget_target
    if [[ ${DRILL:-} == 1 ]]; then
        check_indexes
        found=$(answers)
    else
        set_passwords
    fi
    found+=$'\n'$(state)
    stop_postgres
    if [[ ${DRILL:-} == 1 ]]; then check_pages; else found+=$'\n'$(archive_on); fi
    outcome exit=0 "label=$(fact label)" "recovered=$how" "$found"
}

main
