# shellcheck shell=bash
# etcd, kube-apiserver, kube-controller-manager and kube-scheduler of $DORA_DIR.
# The callers set API_ADDRESS, and API_PORT or leave it to be chosen; the ports are kept in
# $DORA_DIR/ports so that a second `up` finds the same ones.

# shellcheck disable=SC2034 # for the callers
readonly CONTROL_PLANE_PACKAGES=(etcd-server openssl iproute2 procps jq)
readonly SERVICE_RANGE=10.98.0.0/16
readonly FIRST_SERVICE_IP=10.98.0.1
readonly CLUSTER_DOMAIN=cluster.local

api_server_url() {
    echo "https://$API_ADDRESS:$(port_of api)"
}

# port_of NAME: the port kept under that name; a free one is chosen the first time.
port_of() {
    local file=$DORA_DIR/ports/$1
    [[ -s $file ]] || {
        mkdir -p "$DORA_DIR/ports"
        free_port >"$file"
    }
    cat "$file"
}

# kube ARGUMENTS...: kubectl as the cluster's administrator.
kube() {
    "$(kubectl_binary)" --kubeconfig "$DORA_DIR/kubeconfig" "$@"
}

make_control_plane_credentials() {
    make_authority
    issue_certificate kube-apiserver /CN=kube-apiserver \
        "IP:$API_ADDRESS,IP:127.0.0.1,IP:$FIRST_SERVICE_IP,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$CLUSTER_DOMAIN"
    issue_certificate kube-apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
    client_kubeconfig "$DORA_DIR/kubeconfig" "$(api_server_url)" admin /O=system:masters/CN=admin
}

start_etcd() {
    local client peer
    # An API server that lost etcd tries again ever more rarely, up to each two minutes.
    daemon_running etcd || stop_daemon kube-apiserver
    client=http://127.0.0.1:$(port_of etcd) peer=http://127.0.0.1:$(port_of etcd-peer)
    # Nothing here must outlive a power cut, and fsync is most of what a write costs.
    start_daemon etcd etcd --name dora --data-dir "$DORA_DIR/etcd" --unsafe-no-fsync \
        --logger zap --log-level warn \
        --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "dora=$peer"
}

# start_api_server [FLAG...]
start_api_server() {
    local pki=$DORA_DIR/pki
    start_daemon kube-apiserver "$(kubernetes_home)/bin/kube-apiserver" \
        --etcd-servers "http://127.0.0.1:$(port_of etcd)" \
        --bind-address "$API_ADDRESS" --advertise-address "$API_ADDRESS" --secure-port "$(port_of api)" \
        --tls-cert-file "$pki/kube-apiserver.crt" --tls-private-key-file "$pki/kube-apiserver.key" \
        --client-ca-file "$pki/ca.crt" --authorization-mode Node,RBAC \
        --kubelet-client-certificate "$pki/kube-apiserver-kubelet-client.crt" \
        --kubelet-client-key "$pki/kube-apiserver-kubelet-client.key" \
        --kubelet-preferred-address-types InternalIP \
        --service-account-issuer "https://kubernetes.default.svc.$CLUSTER_DOMAIN" \
        --service-account-key-file "$pki/service-accounts.pub" \
        --service-account-signing-key-file "$pki/service-accounts.key" \
        --service-cluster-ip-range "$SERVICE_RANGE" --allow-privileged --profiling=false "$@"
}

api_server_ready() {
    require_daemon etcd && require_daemon kube-apiserver && kube get --raw /readyz && kube get namespace default
}

# start_controller_manager [FLAG...]
start_controller_manager() {
    local pki=$DORA_DIR/pki
    client_kubeconfig "$DORA_DIR/controller-manager.kubeconfig" "$(api_server_url)" \
        kube-controller-manager /CN=system:kube-controller-manager
    start_daemon kube-controller-manager "$(kubernetes_home)/bin/kube-controller-manager" \
        --kubeconfig "$DORA_DIR/controller-manager.kubeconfig" --leader-elect=false \
        --bind-address "$API_ADDRESS" --secure-port "$(port_of controller-manager)" --port 0 \
        --use-service-account-credentials --service-account-private-key-file "$pki/service-accounts.key" \
        --root-ca-file "$pki/ca.crt" --kube-api-qps 100 --kube-api-burst 200 "$@"
}

start_scheduler() {
    client_kubeconfig "$DORA_DIR/scheduler.kubeconfig" "$(api_server_url)" \
        kube-scheduler /CN=system:kube-scheduler
    start_daemon kube-scheduler "$(kubernetes_home)/bin/kube-scheduler" \
        --kubeconfig "$DORA_DIR/scheduler.kubeconfig" --leader-elect=false \
        --bind-address "$API_ADDRESS" --secure-port "$(port_of scheduler)" --port 0
}
