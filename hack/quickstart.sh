#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HACK")
readonly HACK ROOT

usage() {
    cat <<'TEXT'
Usage: hack/quickstart.sh [--keep | --no-keep] [--timeout SECONDS]
       hack/quickstart.sh --down

From nothing to running databases: starts a Kubernetes cluster (hack/cluster.sh), builds the images
and loads them, installs the operator from config/default, applies config/samples/quickstart.yaml,
and shows what becomes ready until the stack is. Run again, it does only what is missing or changed.
Needs root on Debian and the .NET SDK; all else is installed. The first run builds Kubernetes and
the images, which takes about 15 minutes on 2 cores; later ones take about one.

  --keep             leaves all of it running at the end (the default)
  --no-keep          takes the cluster down at the end, however it ends
  --down             takes the cluster down, with all that runs in it, and does nothing else
  --timeout SECONDS  how long the stack may take to become Ready once it is applied (300)

Environment: DORA_CACHE, DORA_CLUSTER_DIR as for hack/cluster.sh
TEXT
}

readonly STACK=quickstart NAMESPACE=default OPERATOR_NAMESPACE=dora-system
readonly OWN_PODS=dora-operator.io/stack=$STACK

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/tests.sh"
    . "$HACK/lib/readiness.sh"
    . "$HACK/cluster/kubernetes-build.sh"
}

kube() {
    "$KUBECTL" "$@"
}

start_cluster() {
    KUBECONFIG=$("$HACK/cluster.sh" up)
    KUBECTL=$(kubectl_binary)
    export KUBECONFIG
    readonly KUBECTL
}

# load_images: leaves the path of the last one, the operator's, in ARCHIVE.
load_images() {
    local name
    for name in postgres redis agent operator; do
        ARCHIVE=$("$HACK/images/build.sh" "$name")
        "$HACK/cluster.sh" load "$ARCHIVE"
    done
}

# The tag stays the same while the image changes: what the pods are made of is noted on them, so that a new
# image rolls them and the same one does not.
install_operator() {
    # Servers before 1.25 know no validation rules in CRDs, and kubectl would refuse what they ignore.
    kube apply --validate=false -k "$ROOT/config/default"
    kube -n "$OPERATOR_NAMESPACE" patch deployment dora-operator --type merge \
        -p "$(jq -nc --arg build "$(basename "$ARCHIVE" .tar)" '{spec: {template: {metadata: {annotations: {"dora-operator.io/build": $build}}}}}')"
    kube -n "$OPERATOR_NAMESPACE" rollout status deployment/dora-operator --timeout=120s
}

apply_stack() {
    kube apply --validate=false -f "$ROOT/config/samples/quickstart.yaml"
}

# diagnose: what a person would look at next.
diagnose() {
    local pod
    say "$PROBLEM; this is what is known:"
    {
        kube -n "$NAMESPACE" get compliancestack "$STACK" -o json |
            jq -r '.status.conditions // [] | .[] | "\(.type)=\(.status) \(.reason): \(.message)"' || true
        printf '\nLast events:\n'
        kube get events --all-namespaces --sort-by=.metadata.creationTimestamp | tail -n 15
        printf '\nPods:\n'
        kube -n "$OPERATOR_NAMESPACE" get pods
        kube -n "$NAMESPACE" get pods -l "$OWN_PODS" -o wide
        for pod in $(kube -n "$NAMESPACE" get pods -l "$OWN_PODS" -o json | jq -r "$UNREADY_PODS"); do
            printf '\nThe end of what %s says:\n' "$pod"
            kube -n "$NAMESPACE" logs "$pod" --all-containers --tail=10 || true
        done
        printf '\nThe end of the operator'"'"'s log:\n'
        kube -n "$OPERATOR_NAMESPACE" logs deployment/dora-operator --tail=20 |
            jq -rR '. as $line | try (fromjson | "\(.Timestamp) \(.LogLevel) \(.Message)") catch $line' || true
    } 2>&1 | sed 's/^/    | /' >&2
}

try_next() {
    local path=''
    command -v kubectl >/dev/null || path="export PATH=\$PATH:$(dirname "$KUBECTL")"$'\n  '
    cat <<TEXT

The stack is Ready. Three things to try:

  ${path}export KUBECONFIG=$KUBECONFIG

  # What runs, and why the operator thinks it is well
  kubectl describe compliancestack $STACK

  # Ask the primary of PostgreSQL
  kubectl exec $STACK-postgres-0 -- sh -c 'PGPASSWORD=\$PATRONI_SUPERUSER_PASSWORD psql -h $STACK-postgres -U postgres -c "select pid, application_name, sync_state from pg_stat_replication"'

  # Kill it, and see another take over
  kubectl delete pod -l $OWN_PODS,dora-operator.io/engine=postgres,dora-operator.io/role=master --wait=false; kubectl get pods -l $OWN_PODS -L dora-operator.io/role --watch

hack/quickstart.sh --down takes everything down again.
TEXT
}

quickstart() {
    require_root
    require_dotnet
    apt_install jq bsdextrautils
    start_cluster
    load_images
    PROBLEM="the operator does not start"
    step "Installing the operator" install_operator
    step "Applying config/samples/quickstart.yaml" apply_stack
    PROBLEM="the stack is not Ready after ${LIMIT}s"
    follow_stack "$LIMIT"
    PROBLEM=''
    try_next
}

# finish STATUS: runs when the script ends, however it ends.
finish() {
    (($1 == 0)) || [[ -z $PROBLEM ]] || diagnose || true
    rm -rf "$WORK"
    "$KEEP" || "$HACK/cluster.sh" down
}

main() {
    KEEP=true LIMIT=300 PROBLEM=''
    while (($# > 0)); do
        case $1 in
        --keep) KEEP=true ;;
        --no-keep) KEEP=false ;;
        --down) exec "$HACK/cluster.sh" down ;;
        --timeout)
            [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || { echo "--timeout needs a number of seconds" >&2 && exit 2; }
            LIMIT=$2
            shift
            ;;
        -h | --help | help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    load_libraries
    DORA_LOG_DIR=$DORA_CACHE/logs
    WORK=$(mktemp -d)
    readonly KEEP LIMIT DORA_LOG_DIR WORK
    trap 'finish $?' EXIT
    quickstart
}

main "$@"
