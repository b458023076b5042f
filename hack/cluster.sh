#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HACK

usage() {
    cat <<'TEXT'
Usage: hack/cluster.sh up
       hack/cluster.sh down [--purge]
       hack/cluster.sh status
       hack/cluster.sh load IMAGE-TAR...
       hack/cluster.sh kubeconfig [--export]
       hack/cluster.sh sample-controller

A real Kubernetes for development and tests. Where Docker and kind are there: kind. Else, as root on
Debian: a single node of Kubernetes 1.20 built from Debian's source, with containerd, DNS, and a
default StorageClass whose claims bind by themselves. The first start builds for about 8 minutes;
later ones take less than 40 seconds.

  up                 starts it, or what of it does not run; prints the kubeconfig's path
  down               ends everything, and removes all of the cluster's state; the data of volumes and
                     the logs stay in $DORA_CLUSTER_DIR until --purge
  status             says what runs; exit code 0 when all is well, else 1
  load               imports OCI or Docker image archives (see hack/images/build.sh)
  kubeconfig         prints the kubeconfig's path; --export: as a line for the shell's eval
  sample-controller  prints the path of Kubernetes' own sample controller, without client limit,
                     for the benchmark; its CRD lies beside it as crd.yaml

Environment: DORA_CACHE        where built binaries are kept (/var/cache/dora)
             DORA_CLUSTER_DIR  where the cluster's state is kept (/var/lib/dora-cluster)
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/process.sh"
    . "$HACK/cluster/kubernetes-build.sh"
    if command -v kind >/dev/null && docker info >/dev/null 2>&1; then
        . "$HACK/cluster/kind.sh"
    else
        . "$HACK/cluster/pki.sh"
        . "$HACK/cluster/control-plane.sh"
        . "$HACK/cluster/single-node.sh"
        . "$HACK/cluster/node.sh"
        . "$HACK/cluster/teardown.sh"
    fi
}

# one_at_a_time: of two `up` or `down` the second waits for the first.
one_at_a_time() {
    mkdir -p "$DORA_DIR"
    exec 9>"$DORA_DIR/.lock"
    flock --nonblock 9 || {
        say "waiting for another hack/cluster.sh to finish"
        flock 9
    }
}

up() {
    one_at_a_time
    cluster_up
    say "the cluster is ready"
    echo "$DORA_DIR/kubeconfig"
}

down() {
    local purge=${1:-}
    [[ -z $purge || $purge == --purge ]] || die "unknown option $purge"
    [[ -d $DORA_DIR ]] || return 0
    one_at_a_time
    step "Ending the cluster" cluster_down
    find "$DORA_DIR" -mindepth 1 -maxdepth 1 ! -name volumes ! -name logs ! -name .lock -exec rm -rf {} +
    [[ $purge != --purge ]] || rm -rf "$DORA_DIR"
}

load() {
    local archive
    (($# > 0)) || die "load needs the path of an image archive"
    for archive in "$@"; do
        [[ -r $archive ]] || die "cannot read $archive"
        step "Loading $(basename "$archive")" cluster_load "$archive"
    done
}

kubeconfig() {
    [[ ${1:-} != --export ]] || printf 'export KUBECONFIG='
    echo "$DORA_DIR/kubeconfig"
}

sample_controller() {
    ensure_kubernetes sample-controller
    echo "$(kubernetes_home)/bin/sample-controller"
}

main() {
    local command=${1:-}
    (($# == 0)) || shift
    load_libraries
    DORA_DIR=$(realpath -m "${DORA_CLUSTER_DIR:-/var/lib/dora-cluster}")
    DORA_LOG_DIR=$DORA_DIR/logs
    readonly DORA_DIR DORA_LOG_DIR
    case $command in
    up) up ;;
    down) down "$@" ;;
    status) cluster_status ;;
    load) load "$@" ;;
    kubeconfig) kubeconfig "$@" ;;
    sample-controller) sample_controller ;;
    help | -h | --help) usage ;;
    *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
