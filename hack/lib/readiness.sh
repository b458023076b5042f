# shellcheck shell=bash
# Following a ComplianceStack until it is Ready: in a terminal as a table that is drawn anew, else as a line for
# each change. Sourced; needs log.sh, kube, STACK, NAMESPACE, OWN_PODS, WORK.

# shellcheck disable=SC2016 # the dollar signs are jq's
readonly STACK_TABLE='
    def state: [.status.containerStatuses // [] | .[] | .state.waiting.reason // .state.terminated.reason // empty]
        | first;
    .[0] as $stack | .[1].items as $pods
    | ["NAME", "READY", "STATE", "DETAIL"],
      ($stack | ["stack \(.metadata.name)"] + (.status.conditions // [] | map(select(.type == "Ready"))[0]
        | if . then [.status, .reason, .message] else ["", "", "the operator has not seen it yet"] end)),
      ($stack.status.engines // [] | .[] | ["engine \(.name)", .ready, .phase, ([.message // empty, (.primary // empty | "primary \(.)")] | join("; "))]),
      ($pods | sort_by(.metadata.name) | .[]
        | (.status.containerStatuses // []) as $containers
        | ["pod \(.metadata.name)", "\([$containers[] | select(.ready)] | length)/\(.spec.containers | length)",
           (if .metadata.deletionTimestamp then "Terminating" else state // .status.phase end), (.metadata.labels["dora-operator.io/role"] // "")])
    | map(. // "" | if . == "" then "-" else . end | gsub("[\t\n]"; " ")) | @tsv'

# shellcheck disable=SC2034 # for those who source this
readonly UNREADY_PODS='.items[] | select([.status.containerStatuses // [] | .[] | .ready] | all and length > 0 | not) | .metadata.name'

readonly STACK_READY='.status.observedGeneration == .metadata.generation
    and ([.status.conditions // [] | .[] | select(.type == "Ready" and .status == "True")] | length == 1)'

# follow_stack SECONDS: until it is Ready; fails when it is not by then.
follow_stack() {
    local limit=$1 began=$SECONDS show=changes
    [[ ! -t 2 ]] || show=redraw
    declare -gA SHOWN=()
    DRAWN=0
    while :; do
        if observe_stack; then
            "show_$show" "$((SECONDS - began))"
            ! jq -e "$STACK_READY" "$WORK/stack.json" >/dev/null || break
        fi
        ((SECONDS - began < limit)) || return 1
        sleep 1
    done
    say "the stack $STACK is Ready, $((SECONDS - began))s after it was applied"
}

# observe_stack: writes the table of now; fails when the API server does not answer.
observe_stack() {
    kube -n "$NAMESPACE" get compliancestack "$STACK" -o json >"$WORK/stack.json" &&
        kube -n "$NAMESPACE" get pods -l "$OWN_PODS" -o json >"$WORK/pods.json" &&
        jq -rs "$STACK_TABLE" "$WORK/stack.json" "$WORK/pods.json" >"$WORK/table.tsv"
}

# show_redraw SECONDS: the table in place of the one before.
show_redraw() {
    local width lines
    width=$(tput cols 2>/dev/null) || width=100
    mapfile -t lines < <(column -t -s $'\t' "$WORK/table.tsv" | cut -c "1-$((width - 1))")
    ((DRAWN == 0)) || printf '\033[%dA\033[J' "$DRAWN" >&2
    printf '[%4ds] waiting for the stack, %ds\n' "$(($(date +%s) - DORA_STARTED))" "$1" >&2
    printf '%s\n' "${lines[@]}" >&2
    DRAWN=$((${#lines[@]} + 1))
}

# show_changes SECONDS: a line for each row that is not as it was.
show_changes() {
    local name rest
    while IFS=$'\t' read -r name rest; do
        [[ ${SHOWN[$name]:-} != "$rest" ]] || continue
        SHOWN[$name]=$rest
        say "$name: ${rest//$'\t'/ }"
    done < <(tail -n +2 "$WORK/table.tsv")
}
