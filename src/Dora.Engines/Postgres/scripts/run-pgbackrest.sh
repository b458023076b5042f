# shellcheck shell=bash
# What the runs of pgBackRest share: sourced by backup-pgbackrest.sh, verify-pgbackrest.sh and restore-pgbackrest.sh.
scripts=$(dirname "$0")
# shellcheck source-path=SCRIPTDIR
. "$scripts/outcome.sh"

# rest COMMAND [OPTION]...: pgBackRest's exit code. What it logs, a line for each file, is a sign of life for the agent; one in a second is enough.
rest() {
    local line codes seen=-1
    : >"$work/log"
    set +e
    bash "$scripts/pgbackrest.sh" "$@" --log-level-console=detail --log-level-stderr=off 2>&1 | while IFS= read -r line; do
        ((SECONDS == seen)) || touch "$STAGE/alive"
        seen=$SECONDS
        [[ $line == *DETAIL:* ]] || printf '%s\n' "$line" | tee -a "$work/log"
    done
    codes=("${PIPESTATUS[@]}")
    set -e
    return "${codes[0]}"
}

# The first error of the last command, in pgBackRest's words and without its prefix.
reason() {
    local line
    line=$(grep -m 1 -E 'ERROR: \[[0-9]+\]|^ERROR|not found' "$work/log" || tail -n 1 "$work/log")
    printf '%s' "${line#*ERROR: }"
}

# about COMMAND [ARGUMENT]...: what pgBackRest knows of its backups, in the words that pgbackrest-info.py has for it.
about() {
    bash "$scripts/pgbackrest.sh" info --output=json --log-level-console=off --log-level-stderr=error 2>"$work/log" >"$work/info" || fail "pgbackrest info: $(reason)"
    python3 "$scripts/pgbackrest-info.py" "$@" <"$work/info" 2>"$work/log" || case $? in
    3) fail "$(tail -n 1 "$work/log")" BackupBroken ;;
    4) fail "$(tail -n 1 "$work/log")" OutsideWindow ;;
    *) fail "$(tail -n 1 "$work/log")" ;;
    esac
}
