#!/usr/bin/env bash
# Writes a copy of the data set, as a replica gets it (RDB), into the pipe $STAGE/data, has it checked on the way, and says in $STAGE/outcome how
# that ended. $HOST and $PORT are the server, $REDISCLI_USER and $REDISCLI_AUTH the login, $TLS_CA whom to believe (without it: no TLS).
set -euo pipefail

work=$(mktemp -d)
tls=()
[[ -z ${TLS_CA:-} ]] || tls=(--tls --cacert "$TLS_CA")

# outcome NAME=VALUE...: whole or not at all.
outcome() {
    printf '%s\n' "$@" >"$STAGE/outcome.new"
    mv "$STAGE/outcome.new" "$STAGE/outcome"
}

fail() {
    outcome exit=1 "error=$1"
    exit 1
}

# fact NAME: a value of the RDB's own header.
fact() {
    sed -nE "s/^.* AUX FIELD $1 = '([^']*)'\$/\\1/p" "$work/check"
}

# whole_only: the copy without what redis-cli cannot cut off where it does not write to a file: the 40 bytes by which a server that streams marks
# the end. A server that begins an append-only file with them does not start. Which of the two it is, redis-cli says before the first byte.
whole_only() {
    local magic
    IFS= read -r -N 5 magic || return 1
    if grep -q 'until EOF marker' "$work/log"; then
        { printf '%s' "$magic" && cat; } | head -c -40
    else
        printf '%s' "$magic" && cat
    fi
}

main() {
    local codes=(0 0 0 0) keys
    redis-cli -h "$HOST" -p "$PORT" --user "$REDISCLI_USER" "${tls[@]}" --no-auth-warning --rdb - 2>"$work/log" | whole_only |
        tee "$STAGE/data" | redis-check-rdb /dev/stdin >"$work/check" 2>&1 || codes=("${PIPESTATUS[@]}")
    ((codes[0] == 0)) || fail "redis-cli --rdb from $HOST:$PORT: $(tail -n 1 "$work/log")"
    keys=$(sed -nE 's/^\[info\] ([0-9]+) keys read$/\1/p' "$work/check")
    if ((codes[3] != 0)) || [[ -z $keys ]]; then fail "redis-check-rdb: $(tail -n 1 "$work/check")"; fi
    ((codes[1] == 0 && codes[2] == 0)) || fail "the agent took no more data"
    outcome exit=0 "count:keys=$keys" "count:expires=$(sed -nE 's/^\[info\] ([0-9]+) expires$/\1/p' "$work/check")" \
        "replication-id=$(fact repl-id)" "replication-offset=$(fact repl-offset)" "server-version=$(fact redis-ver)" \
        "bytes=$(sed -nE 's/^\[offset ([0-9]+)\] .* RDB looks OK.*$/\1/p' "$work/check")"
}

main
