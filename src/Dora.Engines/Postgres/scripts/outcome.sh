# shellcheck shell=bash disable=SC2034
# How a script tells the agent how it ended: sourced by those that work beside it. $work is a folder for scratch.

# A command that fails ends what it was asked for, also within $(...).
shopt -s inherit_errexit
work=$(mktemp -d)

# outcome NAME=VALUE...: whole or not at all; in $OUTCOME, where another script goes on from there.
outcome() {
    local file=${OUTCOME:-$STAGE/outcome}
    printf '%s\n' "$@" >"$file.new"
    mv "$file.new" "$file"
}

# fail TEXT [REASON]: the reason in one word, where the text's is not the tool's own.
fail() {
    outcome exit=1 ${2:+"reason=$2"} "error=${1:0:250}"
    exit 1
}
