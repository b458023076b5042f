#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HACK

usage() {
    cat <<'TEXT'
Usage: hack/crd-server.sh up|down|status|kubeconfig|url [--dir DIR]
       hack/crd-server.sh build
       hack/crd-server.sh curl PATH [CURL-OPTION...]

Today's API machinery (k8s.io/apiextensions-apiserver 0.36) on 127.0.0.1, to try CRDs on: unlike the
Kubernetes 1.20 of hack/cluster.sh it enforces CEL rules and their cost budget, and answers with
warnings. It serves apiextensions.k8s.io/v1 CRDs and custom resources by plain HTTPS and nothing
else; kubectl refuses it because there is no /api. Beside it runs a hack/apiserver.sh for etcd and
authorization. Its names need approval for groups below k8s.io, as on every server.

  up          starts it and prints the path of a kubeconfig (client certificate, administrator)
  down        ends both and removes DIR
  status      says whether it is ready; exit code 0 or 1
  kubeconfig  prints the kubeconfig's path
  url         prints its address
  build       builds what is not in the cache, and starts nothing
  curl        one request as the administrator, for example
                hack/crd-server.sh curl /apis/apiextensions.k8s.io/v1/customresourcedefinitions \
                    -H 'Content-Type: application/yaml' --data-binary @crds/some.yaml

  --dir DIR   where its state is kept (default $DORA_CRD_SERVER_DIR, /var/lib/dora-crd-server)

The binary comes from the cache ($DORA_CACHE, /var/cache/dora); the first time it is built in a
root file system of Debian sid, for about 10 to 15 minutes (Debian, root).
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/process.sh"
    . "$HACK/cluster/kubernetes-build.sh"
    . "$HACK/cluster/apiextensions-build.sh"
    . "$HACK/cluster/pki.sh"
    . "$HACK/cluster/control-plane.sh"
}

crd_server_url() {
    echo "https://127.0.0.1:$(port_of crd-server)"
}

crd_server_build() {
    apt_install curl
    ensure_apiextensions
}

crd_server_up() {
    crd_server_build
    "$HACK/apiserver.sh" up --dir "$DORA_DIR" >/dev/null
    step "Starting the CRD server" start_crd_server
    say "serving $(crd_server_url); try: hack/crd-server.sh curl /apis"
    echo "$DORA_DIR/crd-server.kubeconfig"
}

start_crd_server() {
    local pki=$DORA_DIR/pki
    client_kubeconfig "$DORA_DIR/crd-server.kubeconfig" "$(crd_server_url)" admin /O=system:masters/CN=admin
    # Of Kubernetes only authentication and authorization are asked, so every part that would
    # watch core objects of a newer version is off.
    start_daemon crd-server "$(apiextensions_binary)" \
        --etcd-servers "http://127.0.0.1:$(port_of etcd)" --etcd-prefix /crd-server \
        --bind-address 127.0.0.1 --secure-port "$(port_of crd-server)" \
        --tls-cert-file "$pki/kube-apiserver.crt" --tls-private-key-file "$pki/kube-apiserver.key" \
        --client-ca-file "$pki/ca.crt" --authentication-skip-lookup \
        --authentication-kubeconfig "$DORA_DIR/kubeconfig" --authorization-kubeconfig "$DORA_DIR/kubeconfig" \
        --kubeconfig "$DORA_DIR/kubeconfig" --enable-priority-and-fairness=false \
        --disable-admission-plugins NamespaceLifecycle,MutatingAdmissionWebhook,ValidatingAdmissionWebhook,ValidatingAdmissionPolicy,MutatingAdmissionPolicy
    wait_until 60 "the CRD server is ready" crd_server_ready
}

crd_server_ready() {
    require_daemon crd-server && crd_server_curl /readyz --fail && crd_server_curl /apis/apiextensions.k8s.io/v1 --fail
}

crd_server_curl() {
    local path=$1 pki=$DORA_DIR/pki
    shift
    curl --silent --show-error --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" \
        "$(crd_server_url)$path" "$@"
}

crd_server_down() {
    stop_daemon crd-server
    "$HACK/apiserver.sh" down --dir "$DORA_DIR"
}

main() {
    local command=${1:-}
    DORA_DIR=${DORA_CRD_SERVER_DIR:-/var/lib/dora-crd-server}
    (($# == 0)) || shift
    if [[ ${1:-} == --dir ]]; then
        DORA_DIR=$(realpath -m "${2:?--dir needs a folder}")
        shift 2
    fi
    load_libraries
    API_ADDRESS=127.0.0.1
    DORA_LOG_DIR=$DORA_DIR/logs
    [[ $command != build ]] || DORA_LOG_DIR=$DORA_CACHE/logs
    readonly DORA_DIR API_ADDRESS DORA_LOG_DIR
    case $command in
    up) crd_server_up ;;
    build) crd_server_build ;;
    down) crd_server_down ;;
    status) crd_server_ready >/dev/null && echo "ready at $(crd_server_url)" ;;
    kubeconfig) echo "$DORA_DIR/crd-server.kubeconfig" ;;
    url) crd_server_url ;;
    curl) crd_server_curl "${@:?curl needs a path}" ;;
    help | -h | --help) usage ;;
    *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
