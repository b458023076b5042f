# shellcheck shell=bash
# Removes what the single-node cluster left on the machine, also after it was cut off half-way.

# end_containers: every process below one of our containerd's shims, the shims, and their sockets.
end_containers() {
    local shims sockets
    sockets=$(cat "$DORA_DIR"/run/containerd/io.containerd.runtime.v2.task/k8s.io/*/address 2>/dev/null || true)
    # A shim may be starting a container just now, hence twice.
    for _ in 1 2; do
        shims=$(our_shims)
        [[ -n $shims ]] || break
        # shellcheck disable=SC2046,SC2086 # lists of process ids
        kill -KILL $(descendants $shims) $shims 2>/dev/null || true
        sleep 0.2
    done
    # shellcheck disable=SC2086 # a list of addresses
    [[ -z $sockets ]] || rm -f ${sockets//unix:\/\// }
}

our_shims() {
    ps -e -ww -o pid=,args= | awk -v socket="$(containerd_socket)" \
        '$2 ~ /containerd-shim/ && index($0 " ", " -address " socket " ") { print $1 }'
}

# remove_mounts: the root file systems, secrets and network namespaces of pods are all mounted below our folder.
remove_mounts() {
    local path
    for _ in 1 2 3; do
        while read -r path; do
            umount "$path" 2>/dev/null || umount --lazy "$path" || true
        done < <(our_mounts)
        [[ -n $(our_mounts) ]] || return 0
        sleep 0.2
    done
    echo "still mounted: $(our_mounts)"
    return 1
}

our_mounts() {
    awk -v below="$DORA_DIR/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r
}

remove_network() {
    local bridge
    for bridge in "$POD_BRIDGE" "$NODE_BRIDGE"; do
        [[ ! -e /sys/class/net/$bridge ]] || ip link delete "$bridge"
    done
    remove_chains iptables
    remove_chains ip6tables
    remove_network_results
    restore_sysctls
}

# What the network plugins answered is kept by the container library in a folder that cannot be chosen;
# ours name network namespaces below our folder.
remove_network_results() {
    local results=/var/lib/cni/results
    [[ -d $results ]] || return 0
    grep -rlF "$DORA_DIR/" "$results" | xargs -r rm -f
    rmdir --parents --ignore-fail-on-non-empty "$results"
}

# remove_chains iptables|ip6tables: those of kube-proxy and the kubelet with every rule that names them,
# and our own two; every other rule stays as it was.
remove_chains() {
    local tool=$1 rules
    command -v "$tool" >/dev/null || return 0
    rules=$("$tool-save") || return 0
    grep -qE "KUBE-|$POD_BRIDGE" <<<"$rules" || return 0
    grep -vE "KUBE-|$POD_BRIDGE" <<<"$rules" | "$tool-restore" -w
}

restore_sysctls() {
    local name value
    [[ -r $DORA_DIR/sysctls ]] || return 0
    while read -r name value; do
        echo "$value" 2>/dev/null >"/proc/sys/$name" || true
    done <"$DORA_DIR/sysctls"
}

# give_back_pod_logs: what the kubelet logged stays below our folder.
give_back_pod_logs() {
    local folder
    for folder in "${POD_LOG_FOLDERS[@]}"; do
        ! mountpoint -q "$folder" || umount "$folder" || umount --lazy "$folder"
        [[ ! -d $folder ]] || rmdir --ignore-fail-on-non-empty "$folder"
    done
}

# The kubelet's groups; another kubelet's are not empty and stay.
remove_cgroups() {
    local group
    for group in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
        [[ -d $group ]] || continue
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
}
