# shellcheck shell=bash
# Progress lines and logged steps.

# Scripts that call each other share one clock.
export DORA_STARTED=${DORA_STARTED:-$(date +%s)}

# say TEXT...: one progress line on stderr (stdout is kept for answers such as a path).
say() {
    printf '[%4ds] %s\n' "$(($(date +%s) - DORA_STARTED))" "$*" >&2
}

# die TEXT...: says why and ends the script.
die() {
    say "error: $*"
    exit 1
}

# require_root: ends the script unless it runs as root.
require_root() {
    [[ $(id -u) == 0 ]] || die "this needs root (network, mounts, packages); run it again with sudo"
}

# step TITLE COMMAND...: runs COMMAND with its output in a log of its own below $DORA_LOG_DIR,
# says so again each 30 s, and on failure prints the last log lines and the log's path.
# COMMAND runs in a subshell of its own so that errexit stays in force inside it.
step() {
    local title=$1 log pid began=$SECONDS status=0
    shift
    mkdir -p "$DORA_LOG_DIR"
    log=$DORA_LOG_DIR/$(tr -cs 'a-z0-9.\n' - <<<"${title,,}").log
    say "$title ..."
    (
        set -euo pipefail
        "$@"
    ) >"$log" 2>&1 </dev/null &
    pid=$!
    # shellcheck disable=SC2064 # this child, not a later one
    trap "end_step $pid" INT TERM
    await_step "$title" "$pid" || status=$?
    trap - INT TERM
    if ((status != 0)); then
        say "$title FAILED after $((SECONDS - began))s; the last lines of $log:"
        tail -n 25 "$log" | sed 's/^/    | /' >&2
        return "$status"
    fi
    say "$title: $((SECONDS - began))s"
}

# end_step PID: the script is asked to end, and so is what the step started.
end_step() {
    # shellcheck disable=SC2046 # a list of process ids
    kill $(descendants "$1") "$1" 2>/dev/null
    exit 130
}

# await_step TITLE PID: waits for a child, with a line each 30 s; answers its exit status.
await_step() {
    local title=$1 pid=$2 said=$SECONDS began=$SECONDS
    while kill -0 "$pid" 2>/dev/null; do
        if ((SECONDS - said >= 30)); then
            said=$SECONDS
            say "$title: still running after $((SECONDS - began))s"
        fi
        sleep 0.1
    done
    wait "$pid"
}

# wait_until SECONDS WHAT COMMAND...: repeats COMMAND until it succeeds.
wait_until() {
    local limit=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS - began >= limit)); then
            echo "gave up after ${limit}s waiting until $what; the last answer was:"
            "$@" 2>&1 | tail -n 5 || true
            return 1
        fi
        sleep 0.2
    done
}
