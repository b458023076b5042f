# shellcheck shell=bash
# Running test projects and adding up what they say. Sourced; needs log.sh.

TESTS_PASSED=0
TESTS_FAILED=0

require_dotnet() {
    command -v dotnet >/dev/null || die "the .NET SDK is not on PATH: install .NET 10 (package dotnet-sdk-10.0 of your distribution or vendor)"
}

# run_tests PROJECT [RUNNER-ARGUMENT...]: runs one built test project; failures show, and the rest goes on.
run_tests() {
    local project=$1 log summary failed total errors
    shift
    log=$DORA_LOG_DIR/$project.log
    say "$project ..."
    dotnet run --no-build --project "$ROOT/tests/$project" -- -noColor "$@" >"$log" 2>&1 || true
    summary=$(grep -aE "^ *$project +Total: [0-9]+" "$log" | tail -n 1)
    if [ -z "$summary" ]; then
        tail -n 30 "$log" >&2
        say "$project did not finish; log: $log"
        TESTS_FAILED=$((TESTS_FAILED + 1))
        return
    fi
    total=$(sed -E 's/.*Total: ([0-9]+).*/\1/' <<<"$summary")
    failed=$(sed -nE 's/.*Failed: ([0-9]+).*/\1/p' <<<"$summary")
    errors=$(sed -nE 's/.*Errors: ([0-9]+).*/\1/p' <<<"$summary")
    failed=$((${failed:-0} + ${errors:-0}))
    TESTS_FAILED=$((TESTS_FAILED + failed))
    TESTS_PASSED=$((TESTS_PASSED + total - failed))
    grep -aE "\[OUTPUT\]" "$log" | sed 's/^.*\[OUTPUT\] /    /' || true
    if [ "$failed" -gt 0 ]; then
        grep -aA 25 "\[FAIL\]" "$log" | cut -c1-400 >&2 || true
        say "$project: $failed of $total failed; log: $log"
    else
        say "$project: $total passed"
    fi
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
