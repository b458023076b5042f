# shellcheck shell=bash
# Sourced by the tools that run beside dora-agent. However such a script ends, $STAGE/outcome says how.

work=$(mktemp -d)

# outcome NAME=VALUE...: whole or not at all.
outcome() {
    printf '%s\n' "$@" >"$STAGE/outcome.new"
    mv "$STAGE/outcome.new" "$STAGE/outcome"
}

# said TEXT: as a value of an outcome: one line, and short.
said() {
    local text=${1//[$'\n\r']/ }
    printf '%s' "${text:0:200}"
}

fail() {
    outcome exit=1 "error=$(said "$1")"
    exit 1
}

# problem: the last words, where a command failed and nothing was said of it.
problem() {
    tail -n 1 "$work/log" 2>/dev/null || true
}

# ended: what runs at every end.
ended() {
    local code=$?
    tidy
    [[ -e $STAGE/outcome ]] || outcome "exit=$((code == 0 ? 1 : code))" "error=$(said "$(problem)")"
}

# tidy: what an engine does at every end.
tidy() { :; }

trap ended EXIT
trap 'exit 143' TERM INT

# approved: whether the agent said that what it gave was all, and right. A pipe ends the same way when it broke.
approved() {
    [[ $(cat "$STAGE/verdict" 2>/dev/null) == ok ]]
}

# alive: tells the agent, which sees only what goes through the pipe, that the run gets on.
alive() {
    touch "$STAGE/alive"
}

# growing PATH COMMAND...: runs a command that writes to a file or into a folder: as long as that grows, the run is alive.
growing() {
    local pid seen='' now
    "${@:2}" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(du -s -b "$1" | cut -f 1)
        [[ $now == "$seen" ]] || alive
        seen=$now
        sleep 0.5
    done
    wait "$pid"
}

# checks: what the restored data answers to the questions in $CHECKS, as facts. The engine's ask_check FILE DATABASE answers one.
checks() {
    local file name database got
    for file in "${CHECKS:-/checks}"/*.query; do
        [[ -e $file ]] || continue
        name=$(basename "$file" .query)
        database=$(cat "${file%.query}.database" 2>/dev/null || true)
        if ! got=$(ask_check "$file" "$database" 2>"$work/check"); then
            echo "check:$name=$(said "failed: no answer: $(tail -n 1 "$work/check")")"
        elif [[ $got == "$(cat "${file%.query}.expect")" ]]; then
            echo "check:$name=passed"
        else
            echo "check:$name=$(said "failed: got $got")"
        fi
    done
}
