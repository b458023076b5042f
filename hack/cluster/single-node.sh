# shellcheck shell=bash
# The cluster as root on Debian: cluster_up, cluster_down, cluster_status, cluster_load.

readonly NODE_DAEMONS=(etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy dnsmasq node-services)

# shellcheck disable=SC2034 # read by control-plane.sh
readonly API_ADDRESS=10.99.0.1

cluster_up() {
    require_root
    [[ -r /etc/debian_version ]] || die "without Docker and kind this needs Debian: every part is built from its packages"
    apt_install "${CONTROL_PLANE_PACKAGES[@]}" "${NODE_PACKAGES[@]}"
    ensure_kubernetes
    local pause
    pause=$("$HACK/images/build.sh" pause)
    mkdir -p "$DORA_DIR"
    step "Starting the control plane" start_cluster_control_plane
    step "Starting the container runtime" start_cluster_runtime "$pause"
    step "Starting the node" start_node
    step "Waiting until the node, DNS and storage are ready" cluster_ready
}

start_cluster_control_plane() {
    start_network
    make_control_plane_credentials
    start_etcd
    start_api_server
    start_controller_manager
    start_scheduler
    wait_until 60 "kube-apiserver is ready" api_server_ready
}

start_cluster_runtime() {
    start_containerd
    container_tool images list -q | grep -qxF "$PAUSE_IMAGE" || cluster_load "$1"
}

start_node() {
    start_kubelet
    start_proxy
    start_node_services
}

cluster_ready() {
    wait_until 60 "the node is Ready" node_ready
    wait_until 30 "DNS answers" dns_ready
    wait_until 30 "there is a default StorageClass" storage_ready
}

cluster_load() {
    if image_is_loaded "$1"; then
        echo "$1 is loaded already"
    else
        container_tool images import "$1"
    fi
}

# image_is_loaded ARCHIVE: whether the archive's image, of this very content, is there under its name.
image_is_loaded() {
    local wanted
    wanted=$(tar -xOf "$1" index.json | jq -r '.manifests[] | .annotations["io.containerd.image.name"] + " " + .digest') || return 1
    container_tool images list | awk '{ print $1, $3 }' | grep -qxF "$wanted"
}

cluster_status() {
    local name healthy=true
    for name in "${NODE_DAEMONS[@]}"; do
        report "$name runs" daemon_running "$name" || healthy=false
    done
    $healthy || return 1
    report "kube-apiserver ready" api_server_ready || healthy=false
    report "node Ready" node_ready || healthy=false
    report "DNS answers" dns_ready || healthy=false
    report "default StorageClass" storage_ready || healthy=false
    $healthy
}

# report TITLE COMMAND...: one line of the status.
report() {
    local title=$1
    shift
    printf '%-32s' "$title"
    if "$@" >/dev/null 2>&1; then echo yes; else
        echo no
        return 1
    fi
}

# cluster_down: each part is tried, whatever became of the ones before it.
cluster_down() {
    local name failed=0
    stop_daemon kubelet || failed=1
    stop_daemon kube-proxy || failed=1
    end_containers || failed=1
    for name in containerd node-services dnsmasq kube-scheduler kube-controller-manager kube-apiserver etcd; do
        stop_daemon "$name" 3 || failed=1
    done
    remove_mounts || failed=1
    remove_network || failed=1
    give_back_pod_logs || failed=1
    remove_cgroups || failed=1
    return "$failed"
}
