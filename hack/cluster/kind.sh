# shellcheck shell=bash
# The cluster where Docker and kind are: cluster_up, cluster_down, cluster_status, cluster_load.

readonly KIND_NAME=dora

cluster_up() {
    mkdir -p "$DORA_DIR"
    kind_exists || step "Creating the kind cluster $KIND_NAME" \
        kind create cluster --name "$KIND_NAME" --config "$HACK/kind.yaml" --kubeconfig "$DORA_DIR/kubeconfig" --wait 120s
    [[ -s $DORA_DIR/kubeconfig ]] ||
        kind export kubeconfig --name "$KIND_NAME" --kubeconfig "$DORA_DIR/kubeconfig"
}

kind_exists() {
    kind get clusters 2>/dev/null | grep -qx "$KIND_NAME"
}

cluster_load() {
    kind load image-archive "$1" --name "$KIND_NAME"
}

cluster_status() {
    kind_exists || {
        echo "kind cluster $KIND_NAME: none"
        return 1
    }
    kubectl --kubeconfig "$DORA_DIR/kubeconfig" get nodes
    kubectl --kubeconfig "$DORA_DIR/kubeconfig" get --raw /readyz >/dev/null
}

cluster_down() {
    ! kind_exists || step "Deleting the kind cluster $KIND_NAME" kind delete cluster --name "$KIND_NAME"
}
