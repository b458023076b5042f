#!/usr/bin/env bash
# Has pgBackRest make a backup of type $TYPE (full or incr) of the members that pgbackrest.conf names, over their TLS servers, and says in
# $STAGE/outcome how that ended and what was stored. $STANDBY=1: a member that follows is read, where one does. $KEEP_LAST and $KEEP_DAYS: full
# backups stay while they are among that many newest, or that many days old; neither: all stay.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/run-pgbackrest.sh"

# Codes of pgBackRest.
readonly FILE_INVALID=28 NO_STANDBY=56 ARCHIVE_TIMEOUT=82

# Only here, never from a server: two that made it at once would leave an archive whose key neither has.
stanza() {
    local code=0
    rest stanza-create || code=$?
    # These servers began anew, from a dump say: what they write from now on goes beside the old.
    if ((code == FILE_INVALID)); then
        code=0
        rest stanza-upgrade || code=$?
    fi
    ((code == 0)) || fail "pgbackrest stanza-create: $(reason)"
}

# The newest files that the archives have.
archived() {
    bash "$scripts/pgbackrest.sh" info --output=json --log-level-console=off --log-level-stderr=off | grep -oE '"max":"[0-9A-F]{24}"' || true
}

# What was written archives. After much was written at once the newest is not there within a minute: as long as more arrives, it is waited for.
check() {
    local code before now
    before=$(archived)
    while :; do
        code=0
        rest check || code=$?
        ((code != 0)) || return 0
        now=$(archived)
        if ((code != ARCHIVE_TIMEOUT)) || [[ $now == "$before" ]]; then fail "pgbackrest check: $(reason)"; fi
        before=$now
    done
}

# Which of them is read: one that follows, or the one that leads.
source=primary

copy() {
    local code=0 options=(--type="$TYPE" --no-expire-auto --archive-timeout=600)
    if [[ ${STANDBY:-} == 1 ]]; then
        source=standby
        rest backup "${options[@]}" --backup-standby || code=$?
        ((code == NO_STANDBY)) || return "$code"
    fi
    source=primary
    rest backup "${options[@]}"
}

# What cannot be removed now is tried again after the next backup; this one is whole.
expire() {
    local keep
    keep=$(about keep "$KEEP_LAST" "$KEEP_DAYS")
    ((keep > 0)) || return 0
    rest expire --repo1-retention-full-type=count --repo1-retention-full="$keep" || echo "expired=$(reason)" >>"$work/facts"
}

main() {
    local label facts
    # Until the agent has said so, the folder may be that of another stack, whose servers archive there.
    until [[ -e $STAGE/verdict ]]; do sleep 0.2; done
    [[ $(cat "$STAGE/verdict") == ok ]] || fail 'the agent could not say that the store is this one'"'"'s'
    stanza
    check
    copy || fail "pgbackrest backup: $(reason)"
    label=$(sed -n 's/.*new backup label = //p' "$work/log")
    : >"$work/facts"
    [[ -z ${KEEP_LAST:-} ]] || expire
    # What can be restored begins with what stayed.
    about facts "$label" >>"$work/facts"
    mapfile -t facts <"$work/facts"
    outcome exit=0 "source=$source" "repository=$(sed -n 's/^repo1-path=//p' "$scripts/pgbackrest.conf")" "${facts[@]}"
}

main
