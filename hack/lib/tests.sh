# shellcheck shell=bash
# Running test projects and adding up what they say. Sourced; needs log.sh.

TESTS_PASSED=0
TESTS_FAILED=0
RUN_TOTAL=0
RUN_FAILED=0
RUN_ERRORS=0

require_dotnet() {
    command -v dotnet >/dev/null || die "the .NET SDK is not on PATH: install .NET 10 (package dotnet-sdk-10.0 of your distribution or vendor)"
}

# run_tests PROJECT [RUNNER-ARGUMENT...]: runs one built test project; failures show, and the rest goes on.
run_tests() {
    local project=$1 log
    shift
    log=$DORA_LOG_DIR/$project.log
    say "$project ..."
    run_once "$project" "$log" "$@" || return 0
    if [ "$RUN_FAILED" -gt 0 ]; then
        show_failures "$log"
        say "$project: $RUN_FAILED of $RUN_TOTAL failed; log: $log"
    else
        say "$project: $RUN_TOTAL passed"
    fi
    count_run "$RUN_FAILED"
}

# run_tests_twice PROJECT [RUNNER-ARGUMENT...]: as run_tests, but what failed may try once more; it is named, with its first
# failure. For tests of real servers and clusters: the machine below them may stand still for longer than any deadline.
run_tests_twice() {
    local project=$1 log total name methods=()
    shift
    log=$DORA_LOG_DIR/$project.log
    say "$project ..."
    run_once "$project" "$log" "$@" || return 0
    total=$RUN_TOTAL
    if [ "$RUN_FAILED" -gt 0 ]; then
        show_failures "$log"
    fi
    # An error outside of a test (a fixture's, say) is no test's to repeat.
    if [ "$RUN_FAILED" -gt 0 ] && [ "${RUN_ERRORS:-0}" -eq 0 ]; then
        # A failed row of a theory is run again with its other rows.
        while read -r name; do methods+=(-method "$name"); done < <(grep -aE '\[FAIL\]$' "$log" | sed -nE 's/^ +([A-Za-z0-9_.]+).*/\1/p' | sort -u)
        say "$project: $RUN_FAILED of $total failed; log: $log; once more:${methods[*]/#-method/}"
    fi
    if [ "${#methods[@]}" -gt 0 ]; then
        # Also those that run only when asked for, if they were.
        run_once "$project" "$log.again" -explicit on "${methods[@]}" || return 0
        show_failures "$log.again"
        say "$project: $RUN_FAILED of them failed again; log: $log.again"
        RUN_TOTAL=$total
    fi
    [ "$RUN_FAILED" -gt 0 ] || say "$project: $total passed"
    count_run "$RUN_FAILED"
}

# run_once PROJECT LOG [RUNNER-ARGUMENT...]: sets RUN_TOTAL, RUN_FAILED and RUN_ERRORS; fails, and counts one failure, when the run does not finish.
run_once() {
    local project=$1 log=$2 summary failed
    shift 2
    dotnet run --no-build --project "$ROOT/tests/$project" -- -noColor "$@" >"$log" 2>&1 || true
    summary=$(grep -aE "^ *$project +Total: [0-9]+" "$log" | tail -n 1)
    if [ -z "$summary" ]; then
        tail -n 30 "$log" >&2
        say "$project did not finish; log: $log"
        TESTS_FAILED=$((TESTS_FAILED + 1))
        return 1
    fi
    RUN_TOTAL=$(sed -E 's/.*Total: ([0-9]+).*/\1/' <<<"$summary")
    failed=$(sed -nE 's/.*Failed: ([0-9]+).*/\1/p' <<<"$summary")
    RUN_ERRORS=$(sed -nE 's/.*Errors: ([0-9]+).*/\1/p' <<<"$summary")
    RUN_FAILED=$((${failed:-0} + ${RUN_ERRORS:-0}))
    grep -aE "\[OUTPUT\]" "$log" | sed 's/^.*\[OUTPUT\] /    /' || true
}

count_run() {
    TESTS_FAILED=$((TESTS_FAILED + $1))
    TESTS_PASSED=$((TESTS_PASSED + RUN_TOTAL - $1))
}

show_failures() {
    grep -aA 25 "\[FAIL\]" "$1" | cut -c1-400 >&2 || true
}

# run_check NAME COMMAND...: counts a command as one test.
run_check() {
    local name=$1 log
    shift
    log=$DORA_LOG_DIR/$(tr -c 'a-zA-Z0-9\n' '-' <<<"$name").log
    if "$@" >"$log" 2>&1; then
        TESTS_PASSED=$((TESTS_PASSED + 1))
        say "$name: passed"
    else
        TESTS_FAILED=$((TESTS_FAILED + 1))
        tail -n 40 "$log" >&2
        say "$name: FAILED; log: $log"
    fi
}

# run_suite COMMAND...: runs a script that ends with "N passed, N failed", and adds its numbers.
run_suite() {
    local log last code=0
    log=$DORA_LOG_DIR/$(basename "$1" .sh).suite.log
    "$@" 2>&1 | tee "$log" || code=$?
    last=$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
    if [ -z "$last" ]; then
        say "$1 did not finish (exit code $code)"
        TESTS_FAILED=$((TESTS_FAILED + 1))
        return
    fi
    TESTS_PASSED=$((TESTS_PASSED + ${last%% passed*}))
    last=${last#*, }
    TESTS_FAILED=$((TESTS_FAILED + ${last%% failed*}))
}

# The closing line; the exit code says whether all passed.
finish_tests() {
    echo "$TESTS_PASSED passed, $TESTS_FAILED failed"
    [ "$TESTS_FAILED" -eq 0 ] && [ "$TESTS_PASSED" -gt 0 ]
}
