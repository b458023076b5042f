#!/usr/bin/env bash
# Restores the backup that $STAGE/facts names into the empty folder $DATA/data, as Patroni's pods expect it: has PostgreSQL recover there, out of
# everybody's reach, up to $TARGET ($TARGET_EXCLUSIVE=1: to just before it), gives the servers' own roles this cluster's passwords, and stops it. With
# DRILL=1 it sets none, has every page and every index checked, and asks the questions in /checks. Says in $STAGE/outcome how that ended.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/run-pgbackrest.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/archive-pgbackrest.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/local-postgres.sh"

readonly PGDATA=$DATA/data

restore() {
    local options=(--set="$(fact label)" --type="$1")
    case $1 in
    # PostgreSQL knows no Z at this moment.
    time | lsn) options+=(--target="${TARGET/%Z/+00}" --target-action=promote ${TARGET_EXCLUSIVE:+--target-exclusive}) ;;
    name) options+=(--target="$TARGET" --target-action=promote) ;;
    immediate) options+=(--target-action=promote) ;;
    esac
    rest restore "${options[@]}" --recovery-option=restore_command="bash $scripts/pgbackrest.sh archive-get %f \"%p\"" ||
        fail "pgbackrest restore: $(reason)"
}

# The log is whole, and ends before the point that was asked for; and that point is not after what was archived. So nothing was committed in between.
# A name that the log does not have could be anywhere.
recover() {
    start_postgres "$@" && return
    grep -q 'recovery ended before configured recovery target was reached' "$work/server" || return 1
    [[ ${TARGET_TYPE:-} != name ]] || fail "the log after backup $(fact label) has no restore point $TARGET" OutsideWindow
    start_postgres "$@" -c recovery_target_time= -c recovery_target_lsn=
}

# How the servers find their archive is in their own configuration, and where a recovery ends is over.
forget_target() {
    local name
    for name in restore_command recovery_target recovery_target_time recovery_target_lsn recovery_target_name recovery_target_inclusive recovery_target_action recovery_target_timeline; do
        ask postgres "ALTER SYSTEM RESET $name" >/dev/null
    done
}

# Where these servers archive, another system may have been the last one: one that was built anew, and stored a backup before this restore. From now
# on it is this one again, beside it; what is not done here the next backup does. A copy ($FROM_COPY=1) is not where they archive.
archive_on() {
    [[ ${FROM_COPY:-} != 1 ]] || return 0
    [[ $(sed -n 's/^repo1-path=//p' "$scripts/pgbackrest.conf") == "$PGBACKREST_REPO1_PATH" ]] || return 0
    rest stanza-upgrade --no-online >&2 || echo "not-archived=$(reason)"
}

# Restored servers write a log of their own; it is archived once they archive again. That of a drill is nobody's.
archiving() {
    if [[ ${DRILL:-} == 1 ]]; then echo off; else echo on; fi
}

main() {
    local how found=''
    told
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    [[ -z $(ls -A "$PGDATA") ]] || fail "$PGDATA holds data already, which is never written over"
    export PGBACKREST_PG1_PATH=$PGDATA
    archived
    how=$(asked point)
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
