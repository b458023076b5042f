# shellcheck shell=bash
# Daemons of one folder: $DORA_DIR/run/NAME.pid, $DORA_DIR/logs/NAME.log.
# A pid file also holds the process's start time, so that a reused pid is never taken for ours.

# process_started_at PID: its start time in clock ticks since boot; fails when there is none.
process_started_at() {
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The second field, the name in parentheses, may hold spaces.
    stat=${stat##*) }
    # shellcheck disable=SC2086 # split on purpose: field 22 of the line is the 20th of the rest
    set -- $stat
    [[ $1 != Z ]] || return 1
    echo "${20}"
}

# start_daemon NAME COMMAND...: starts it apart from this shell, unless it runs already.
start_daemon() {
    local name=$1 pid
    shift
    ! daemon_running "$name" || return 0
    mkdir -p "$DORA_DIR/run" "$DORA_DIR/logs"
    [[ ! -e $DORA_DIR/logs/$name.log ]] || mv "$DORA_DIR/logs/$name.log" "$DORA_DIR/logs/$name.log.old"
    setsid "$@" >"$DORA_DIR/logs/$name.log" 2>&1 </dev/null 7>&- 8>&- 9>&- &
    pid=$!
    echo "$pid $(process_started_at "$pid")" >"$DORA_DIR/run/$name.pid"
}

# daemon_pid NAME: the process id, if it runs and is ours.
daemon_pid() {
    local pid started
    read -r pid started 2>/dev/null <"$DORA_DIR/run/$1.pid" || return 1
    [[ -n $started && $(process_started_at "$pid") == "$started" ]] || return 1
    echo "$pid"
}

daemon_running() {
    daemon_pid "$1" >/dev/null
}

# require_daemon NAME: fails with the end of its log unless it runs.
require_daemon() {
    daemon_running "$1" && return 0
    echo "$1 ended; the last lines of $DORA_DIR/logs/$1.log:"
    tail -n 15 "$DORA_DIR/logs/$1.log"
    return 1
}

# stop_daemon NAME [SECONDS]: asks it to end, and after SECONDS (5) ends it.
stop_daemon() {
    local name=$1 limit=${2:-5} pid deadline
    if pid=$(daemon_pid "$name"); then
        kill -TERM "$pid" 2>/dev/null || true
        deadline=$((SECONDS + limit))
        while daemon_running "$name" && ((SECONDS < deadline)); do sleep 0.05; done
        ! daemon_running "$name" || kill -KILL "$pid" 2>/dev/null || true
        while daemon_running "$name"; do sleep 0.05; done
    fi
    rm -f "$DORA_DIR/run/$name.pid"
}

# free_port: a TCP port of 127.0.0.1 that nobody listens on, below the range of outgoing connections.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 9999))
        [[ -n $(ss -Htan "sport = :$port") ]] || break
    done
    echo "$port"
}

# descendants PID...: the processes below those.
descendants() {
    ps -e -o pid=,ppid= | awk -v roots="$*" '
        BEGIN { n = split(roots, list, " "); for (i = 1; i <= n; i++) ours[list[i]] = 1 }
        { parent[$1] = $2 }
        END {
            do {
                grew = 0
                for (pid in parent) if (!(pid in ours) && (parent[pid] in ours)) { ours[pid] = 1; grew = 1; print pid }
            } while (grew)
        }'
}
