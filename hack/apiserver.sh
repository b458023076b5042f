#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HACK

usage() {
    cat <<'TEXT'
Usage: hack/apiserver.sh up [--dir DIR] [--with-controller-manager]
       hack/apiserver.sh down|status|kubeconfig [--dir DIR]
       hack/apiserver.sh build

etcd and kube-apiserver alone, on free ports of 127.0.0.1, for integration tests: no pods, no
network set-up, several side by side in folders of their own. A running one is left as it is.

  up          starts them and prints the path of the administrator's kubeconfig; beside it lies
              limited.kubeconfig, the token of service account default/dora-limited, without rights
  down        ends them and removes DIR
  status      says what runs; exit code 0 when all is well, else 1
  kubeconfig  prints that path
  build       builds what is not in the cache, and starts nothing

  --dir DIR                  where its state is kept (default $DORA_APISERVER_DIR, /var/lib/dora-apiserver)
  --with-controller-manager  also garbage collection and the removal of namespaces

Binaries come from the cache ($DORA_CACHE, /var/cache/dora), else they are built first (Debian, root).
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/process.sh"
    . "$HACK/cluster/kubernetes-build.sh"
    . "$HACK/cluster/pki.sh"
    . "$HACK/cluster/control-plane.sh"
}

api_server_build() {
    apt_install "${CONTROL_PLANE_PACKAGES[@]}"
    ensure_kubernetes kube-apiserver kube-controller-manager
}

api_server_up() {
    api_server_build
    mkdir -p "$DORA_DIR"
    step "Starting kube-apiserver in $DORA_DIR" start_control_plane
    if $with_controller_manager; then step "Starting kube-controller-manager" start_collectors; fi
    echo "$DORA_DIR/kubeconfig"
}

start_control_plane() {
    make_control_plane_credentials
    start_etcd
    # No pod ever runs here: service accounts need not exist, and nobody calls the server by its Service.
    start_api_server --endpoint-reconciler-type none --disable-admission-plugins ServiceAccount
    wait_until 60 "kube-apiserver is ready" api_server_ready
    [[ -s $DORA_DIR/limited.kubeconfig ]] || write_limited_kubeconfig
}

write_limited_kubeconfig() {
    local account=/api/v1/namespaces/default/serviceaccounts token
    kube get serviceaccount dora-limited -n default >/dev/null 2>&1 ||
        kube create serviceaccount dora-limited -n default
    token=$(kube create --raw "$account/dora-limited/token" -f - \
        <<<'{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 2592000}}' |
        jq -r .status.token)
    write_kubeconfig "$DORA_DIR/limited.kubeconfig" "$(api_server_url)" "{token: $token}"
}

start_collectors() {
    start_controller_manager --controllers garbagecollector,namespace
    wait_until 30 "garbage collection runs" collectors_ready
}

# Each controller makes itself a service account when it starts.
collectors_ready() {
    require_daemon kube-controller-manager &&
        kube get serviceaccount generic-garbage-collector namespace-controller --namespace kube-system
}

api_server_down() {
    local name
    [[ -d $DORA_DIR ]] || return 0
    [[ -d $DORA_DIR/run || -d $DORA_DIR/pki ]] || die "$DORA_DIR does not look like one of ours; remove it by hand"
    for name in kube-controller-manager kube-apiserver etcd; do stop_daemon "$name" 3; done
    rm -rf "$DORA_DIR"
}

api_server_status() {
    local name
    for name in etcd kube-apiserver; do
        daemon_running "$name" || { echo "$name does not run"; return 1; }
    done
    kube get --raw /readyz >/dev/null || return 1
    echo "ready at $(api_server_url)"
}

main() {
    local command=${1:-} with_controller_manager=false
    DORA_DIR=${DORA_APISERVER_DIR:-/var/lib/dora-apiserver}
    (($# == 0)) || shift
    while (($# > 0)); do
        case $1 in
        --dir) DORA_DIR=$(realpath -m "${2:?--dir needs a folder}") && shift ;;
        --with-controller-manager) with_controller_manager=true ;;
        -h | --help) command=help ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    load_libraries
    API_ADDRESS=127.0.0.1
    DORA_LOG_DIR=$DORA_DIR/logs
    [[ $command != build ]] || DORA_LOG_DIR=$DORA_CACHE/logs
    readonly DORA_DIR API_ADDRESS DORA_LOG_DIR
    case $command in
    up) api_server_up ;;
    build) api_server_build ;;
    down) api_server_down ;;
    status) api_server_status ;;
    kubeconfig) echo "$DORA_DIR/kubeconfig" ;;
    help | -h | --help) usage ;;
    *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
