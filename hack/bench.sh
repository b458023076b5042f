#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HACK")
readonly HACK ROOT
benchmark='' kubeconfig='' sample_controller=''

usage() {
    cat <<'TEXT'
Usage: hack/bench.sh [--json] [--foos N] [--stacks N] [--five N] [--vault N] [--backup MIB]
       [--expire N] [--pods N] [--strict]

Measures speed and thrift on a real kube-apiserver with etcd, started for this run alone, and (g) on
real pods:
(a) a Foo -> Deployment controller on our runtime beside Kubernetes' own sample-controller;
(b) the published operator with many stacks of two engines, and with many of all five;
(c) `plan` of a stack of five engines;
(d) what stacks with passwords and certificates from a scripted Vault ask it, per stack and hour at rest;
(e) dora-agent beside zstd, openssl and rclone in a pipe, into the same object store (Ceph);
(f) how long dora-agent takes to remove thousands of objects that no rule keeps;
(g) the outage that a writing client sees while primaries of PostgreSQL and Redis freeze or die, how long a
    change of passwords takes, and a backup of PostgreSQL beside pgBackRest alone; brings up the cluster of
    hack/e2e.sh and ends it.
What is measured and how to read it: docs/performance.md. Needs a quiet machine to mean anything;
takes about ten minutes there, and (g) another twenty. Programs that are missing are built first (Debian, root).

  --json      one JSON document on stdout; the table goes to stderr
  --foos N    Foos of (a), 0 leaves it out (2000)
  --stacks N  stacks of two engines in (b), 0 leaves them out (200)
  --five N    stacks of five engines in (b), 0 leaves them out (200)
  --vault N   stacks of (d), 0 leaves them out (20)
  --backup M  MiB of (e), 0 leaves it out (1024)
  --expire N  objects of (f), 0 leaves it out (10000)
  --pods N    rounds of (g), 0 leaves it out (5)
  --strict    exit code 1 if a target is missed
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/process.sh"
    . "$HACK/lib/tests.sh"
    . "$HACK/cluster/kubernetes-build.sh"
}

# publish PROJECT: as the container image has it, so that what is measured is what is shipped.
publish() {
    dotnet publish "$ROOT/$1" --nologo -o "$TEMPORARY/$(basename "$1")" -p:PublishProfile=container \
        -p:PublishProfileFullPath="$ROOT/src/Dora.Operator/Properties/PublishProfiles/container.pubxml"
}

# container_environment: the runtime's settings in the container image, as options of the benchmark.
container_environment() {
    sed -nE 's/^ENV ((DOTNET|MALLOC)_[A-Za-z0-9_]+=[^ ]+)$/--environment=\1/p' "$ROOT/Dockerfile"
}

install_crds() {
    local kubectl=("$(kubectl_binary)" --kubeconfig "$kubeconfig")
    # Kubernetes before 1.25 does not know every field of the CRDs.
    "${kubectl[@]}" apply --validate=false -f "$ROOT/crds/" -f "$(dirname "$sample_controller")/crd.yaml"
    "${kubectl[@]}" wait --for condition=Established --timeout 60s crd --all
}

clean_up() {
    local status=$?
    trap - EXIT INT TERM
    if [[ -n $benchmark ]] && kill -TERM "$benchmark" 2>/dev/null; then wait "$benchmark" || true; fi
    [[ ! -d $TEMPORARY/api ]] || "$HACK/apiserver.sh" down --dir "$TEMPORARY/api" || status=1
    [[ ! -d $TEMPORARY/store ]] || "$HACK/object-store.sh" down --dir "$TEMPORARY/store" || status=1
    if ((status == 0 || status == 130)); then
        rm -rf "$TEMPORARY"
    else
        rm -rf "$TEMPORARY"/Dora.*
        say "logs are kept in $TEMPORARY"
    fi
    exit "$status"
}

# measure_pods ROUNDS: first of all, so that nothing else runs beside it.
measure_pods() {
    DORA_POD_ROUNDS=$1 DORA_POD_REPORT=$TEMPORARY/pods.json "$HACK/e2e.sh" -explicit only -class '*.PodBenchmark' >&2
}

measure() {
    local environment
    mapfile -t environment < <(container_environment)
    "$TEMPORARY/Dora.Benchmarks/dora-benchmarks" --kubeconfig "$kubeconfig" --sample-controller "$sample_controller" \
        --operator "$TEMPORARY/Dora.Operator/dora-operator" --agent "$TEMPORARY/Dora.Agent/dora-agent" --object-store "$TEMPORARY/store" --logs "$DORA_LOG_DIR" "${environment[@]}" "$@" &
    benchmark=$!
    wait "$benchmark"
    benchmark=
}

main() {
    local options=() pods=5
    while (($# > 0)); do
        case $1 in
        --json | --strict) options+=("$1") ;;
        --foos | --stacks | --five | --vault | --backup | --expire)
            [[ ${2:-} =~ ^[0-9]+$ ]] || { echo "$1 needs a number" >&2 && return 2; }
            options+=("$1" "$2") && shift
            ;;
        --pods)
            [[ ${2:-} =~ ^[0-9]+$ ]] || { echo "$1 needs a number" >&2 && return 2; }
            pods=$2 && shift
            ;;
        -h | --help) usage && return ;;
        *) usage >&2 && return 2 ;;
        esac
        shift
    done
    load_libraries
    require_dotnet
    TEMPORARY=$(mktemp -d /tmp/dora-bench.XXXXXX)
    DORA_LOG_DIR=$TEMPORARY/logs
    export DORA_LOG_DIR
    trap clean_up EXIT
    trap 'exit 130' INT TERM
    mkdir -p "$DORA_LOG_DIR"
    ((pods == 0)) || measure_pods "$pods"
    ((pods == 0)) || options+=(--pod-report "$TEMPORARY/pods.json")
    step "Publishing the benchmark" publish tests/Dora.Benchmarks
    step "Publishing the operator" publish src/Dora.Operator
    step "Publishing the agent" publish src/Dora.Agent
    sample_controller=$("$HACK/cluster.sh" sample-controller)
    kubeconfig=$("$HACK/apiserver.sh" up --dir "$TEMPORARY/api")
    step "Installing the CRDs" install_crds
    apt_install rclone zstd openssl
    "$HACK/object-store.sh" up --dir "$TEMPORARY/store" >/dev/null
    measure "${options[@]}"
}

main "$@"
