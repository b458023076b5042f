# shellcheck shell=bash
# The node of the single-node cluster: network, containerd, kubelet, kube-proxy, DNS, volumes.

# shellcheck disable=SC2034 # for cluster.sh
readonly NODE_PACKAGES=(containerd runc containernetworking-plugins iptables conntrack dnsmasq-base iproute2 procps util-linux jq)
readonly NODE_NAME=dora
readonly NODE_ADDRESS=10.99.0.1
readonly NODE_BRIDGE=dora-node0
readonly POD_BRIDGE=dora-pods0
readonly POD_RANGE=10.97.0.0/16
readonly PAUSE_IMAGE=docker.io/dora/pause:1
# The kubelet cannot be told another place for these.
readonly POD_LOG_FOLDERS=(/var/log/pods /var/log/containers)
readonly STORAGE_PROVISIONER=dora-operator.io/node-folder
# What the kubelet, kube-proxy and we change; put back by `down`.
readonly NODE_SYSCTLS=(net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/bridge/bridge-nf-call-iptables
    vm/overcommit_memory kernel/panic kernel/panic_on_oops)

containerd_socket() {
    echo "$DORA_DIR/run/containerd.sock"
}

container_tool() {
    ctr --address "$(containerd_socket)" --namespace k8s.io "$@"
}

start_network() {
    keep_sysctls
    # A node address must not be a loopback one, and a bridge without ports needs no driver of its own.
    [[ -e /sys/class/net/$NODE_BRIDGE ]] || ip link add "$NODE_BRIDGE" type bridge
    ip address replace "$NODE_ADDRESS/32" dev "$NODE_BRIDGE"
    ip link set "$NODE_BRIDGE" up
    # Services can be called from the machine itself, also when it has no default route.
    ip route replace "$SERVICE_RANGE" dev "$NODE_BRIDGE" src "$NODE_ADDRESS"
    echo 1 >/proc/sys/net/ipv4/ip_forward
    # Without it an answer within the pods' bridge would not be translated back.
    modprobe -q br_netfilter 2>/dev/null || true
    [[ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ]] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
    # The machine's own firewall may forward nothing by default, as Docker's does.
    iptables -w -C FORWARD -i "$POD_BRIDGE" -j ACCEPT 2>/dev/null || iptables -w -I FORWARD -i "$POD_BRIDGE" -j ACCEPT
    iptables -w -C FORWARD -o "$POD_BRIDGE" -j ACCEPT 2>/dev/null || iptables -w -I FORWARD -o "$POD_BRIDGE" -j ACCEPT
}

keep_sysctls() {
    local name
    [[ ! -e $DORA_DIR/sysctls ]] || return 0
    for name in "${NODE_SYSCTLS[@]}"; do
        [[ ! -r /proc/sys/$name ]] || echo "$name $(cat "/proc/sys/$name")"
    done >"$DORA_DIR/sysctls"
}

start_containerd() {
    write_containerd_config
    write_pod_network
    start_daemon containerd containerd --config "$DORA_DIR/containerd.toml"
    wait_until 30 "containerd answers" containerd_ready
}

containerd_ready() {
    require_daemon containerd && container_tool version
}

write_containerd_config() {
    local cri='plugins."io.containerd.grpc.v1.cri"'
    # restrict_oom_score_adj: a container without CAP_SYS_RESOURCE, such as a CI runner, may not lower it.
    cat >"$DORA_DIR/containerd.toml" <<TOML
version = 2
root = "$DORA_DIR/containerd"
state = "$DORA_DIR/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "$(containerd_socket)"
[$cri]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [$cri.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$DORA_DIR/cni"
TOML
}

write_pod_network() {
    mkdir -p "$DORA_DIR/cni"
    cat >"$DORA_DIR/cni/10-dora.conflist" <<JSON
{
  "cniVersion": "0.4.0",
  "name": "dora",
  "plugins": [{
    "type": "bridge", "bridge": "$POD_BRIDGE", "isGateway": true, "hairpinMode": true, "ipMasq": false,
    "ipam": {
      "type": "host-local", "dataDir": "$DORA_DIR/addresses",
      "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]
    }
  }]
}
JSON
}

# take_pod_logs: the kubelet's folders become ones of ours, so that nothing of us stays in them.
take_pod_logs() {
    local folder ours
    for folder in "${POD_LOG_FOLDERS[@]}"; do
        ! mountpoint -q "$folder" || continue
        ours=$DORA_DIR/logs/kubelet-${folder##*/}
        rm -rf "$ours"
        mkdir -p "$ours" "$folder"
        mount --bind "$ours" "$folder"
    done
}

start_kubelet() {
    take_pod_logs
    client_kubeconfig "$DORA_DIR/kubelet.kubeconfig" "$(api_server_url)" \
        kubelet "/O=system:nodes/CN=system:node:$NODE_NAME"
    issue_certificate kubelet-server "/CN=$NODE_NAME" "IP:$NODE_ADDRESS,DNS:$NODE_NAME"
    write_kubelet_config
    start_daemon kubelet "$(kubernetes_home)/bin/kubelet" \
        --config "$DORA_DIR/kubelet.yaml" --kubeconfig "$DORA_DIR/kubelet.kubeconfig" \
        --root-dir "$DORA_DIR/kubelet" --cert-dir "$DORA_DIR/pki" \
        --container-runtime remote --container-runtime-endpoint "unix://$(containerd_socket)" \
        --hostname-override "$NODE_NAME" --node-ip "$NODE_ADDRESS"
}

write_kubelet_config() {
    echo "nameserver $NODE_ADDRESS" >"$DORA_DIR/resolv.conf"
    # Images come from no registry, so none may ever be collected; and a full disk is the user's, not ours.
    cat >"$DORA_DIR/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_ADDRESS
healthzBindAddress: $NODE_ADDRESS
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $DORA_DIR/pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $DORA_DIR/pki/kubelet-server.crt
tlsPrivateKeyFile: $DORA_DIR/pki/kubelet-server.key
cgroupDriver: cgroupfs
clusterDNS: [$NODE_ADDRESS]
clusterDomain: $CLUSTER_DOMAIN
resolvConf: $DORA_DIR/resolv.conf
failSwapOn: false
nodeStatusUpdateFrequency: 2s
oomScoreAdj: 0
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
volumePluginDir: $DORA_DIR/kubelet/plugins
featureGates: {DevicePlugins: false}
kubeAPIQPS: 50
kubeAPIBurst: 100
eventRecordQPS: 50
YAML
}

start_proxy() {
    client_kubeconfig "$DORA_DIR/kube-proxy.kubeconfig" "$(api_server_url)" kube-proxy /CN=system:kube-proxy
    # The conntrack limits are not writable in a container.
    start_daemon kube-proxy "$(kubernetes_home)/bin/kube-proxy" \
        --kubeconfig "$DORA_DIR/kube-proxy.kubeconfig" --hostname-override "$NODE_NAME" \
        --proxy-mode iptables --cluster-cidr "$POD_RANGE" --oom-score-adj 0 \
        --healthz-bind-address "$NODE_ADDRESS:10256" --metrics-bind-address "$NODE_ADDRESS:10249" \
        --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0s --conntrack-tcp-timeout-close-wait 0s
}

start_node_services() {
    client_kubeconfig "$DORA_DIR/node-services.kubeconfig" "$(api_server_url)" \
        node-services /O=system:masters/CN=node-services
    mkdir -p "$DORA_DIR/volumes"
    touch "$DORA_DIR/hosts"
    start_daemon dnsmasq dnsmasq --keep-in-foreground --conf-file=/dev/null --no-hosts --user=root \
        --pid-file="$DORA_DIR/run/dnsmasq.own.pid" --log-facility=- \
        --listen-address="$NODE_ADDRESS" --bind-interfaces --addn-hosts="$DORA_DIR/hosts" \
        --local="/$CLUSTER_DOMAIN/" --domain-needed --bogus-priv --local-ttl=1 --neg-ttl=1 --cache-size=1000
    start_daemon node-services "$(node_services_binary)" \
        --kubeconfig "$DORA_DIR/node-services.kubeconfig" --domain "$CLUSTER_DOMAIN" \
        --hosts "$DORA_DIR/hosts" --dnsmasq-pid-file "$DORA_DIR/run/dnsmasq.pid" \
        --provisioner "$STORAGE_PROVISIONER" --volumes "$DORA_DIR/volumes"
    apply_storage_class
}

apply_storage_class() {
    kube apply -f - <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: $STORAGE_PROVISIONER
reclaimPolicy: Delete
volumeBindingMode: WaitForFirstConsumer
allowVolumeExpansion: true
YAML
}

node_ready() {
    local name
    for name in "${NODE_DAEMONS[@]}"; do require_daemon "$name" || return 1; done
    kube get nodes "$NODE_NAME" -o json | jq -e '.status.conditions[] | select(.type == "Ready") | .status == "True"'
}

dns_ready() {
    [[ $("$(node_services_binary)" --lookup "kubernetes.default.svc.$CLUSTER_DOMAIN" --server "$NODE_ADDRESS:53") == "$FIRST_SERVICE_IP" ]]
}

storage_ready() {
    kube get storageclass standard
}
