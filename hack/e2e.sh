#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HACK")
readonly HACK ROOT

usage() {
    cat <<'TEXT'
Usage: hack/e2e.sh [--keep] [RUNNER-ARGUMENT...]

Runs the end-to-end tests on a real cluster with real pods: brings up the cluster, the images and the
operator with hack/quickstart.sh until its stack is Ready, then kills, scales, edits, deletes and
restarts. A test that fails may try once more; which did is said. Ends with a line `N passed, N failed`.

  --keep            leaves the cluster running
  RUNNER-ARGUMENT   passed to the test runner, e.g. -method '*failover*'
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/tests.sh"
}

tear_down() {
    "$HACK/cluster.sh" down >&2 || say "the cluster could not be ended; see hack/cluster.sh status"
}

# What the quickstart has no need of.
load_more_images() {
    local name archive
    for name in influxdb postgres-17; do
        archive=$("$HACK/images/build.sh" "$name")
        "$HACK/cluster.sh" load "$archive"
    done
}

main() {
    local keep=false
    case ${1:-} in
    --help | -h) usage && return ;;
    --keep) keep=true && shift ;;
    esac
    load_libraries
    require_dotnet
    DORA_LOG_DIR=$(mktemp -d /tmp/dora-e2e.XXXXXX)
    export DORA_LOG_DIR
    [ "$keep" = true ] || trap tear_down EXIT
    run_check "The quickstart reaches Ready" "$HACK/quickstart.sh"
    KUBECONFIG=$("$HACK/cluster.sh" kubeconfig)
    export KUBECONFIG
    load_more_images
    # Two cores are few: the tests bring their own stacks.
    kubectl delete compliancestack --all --all-namespaces --wait=false >&2
    step "Building the tests" dotnet build "$ROOT/tests/Dora.EndToEnd.Tests" --nologo
    run_tests_twice Dora.EndToEnd.Tests -showLiveOutput "$@"
    finish_tests
}

main "$@"
