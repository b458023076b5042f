# shellcheck shell=bash
# Kubernetes 1.20.2 out of Debian's source package, as cached binaries.

readonly KUBERNETES_VERSION=1.20.2
readonly KUBERNETES_SERVERS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)
readonly GO_ROOT=/usr/lib/go-1.19
readonly BUILD_PACKAGES=(golang-1.19-go golang-github-modern-go-reflect2-dev)

CLUSTER_SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly CLUSTER_SOURCES

# kubernetes_home: the cache folder of this version and this recipe; bin/ holds the binaries.
kubernetes_home() {
    echo "$DORA_CACHE/kubernetes-$KUBERNETES_VERSION-$(recipe_hash "$CLUSTER_SOURCES/kubernetes-build.sh")"
}

# node_services_binary: DNS and volumes, see node-services/; rebuilt alone when its source changes.
node_services_binary() {
    echo "$(kubernetes_home)/bin/node-services-$(recipe_hash "$CLUSTER_SOURCES"/node-services/*.go)"
}

# kubectl_binary: the one on PATH, else ours.
kubectl_binary() {
    command -v kubectl || echo "$(kubernetes_home)/bin/kubectl"
}

# ensure_kubernetes [BINARY...]: builds those binaries that are not in the cache yet
# (all servers, sample-controller, node-services and, where PATH has none, kubectl by default).
ensure_kubernetes() {
    local home missing=() binary
    home=$(kubernetes_home)
    (($# > 0)) || set -- "${KUBERNETES_SERVERS[@]}" sample-controller "$(basename "$(node_services_binary)")"
    command -v kubectl >/dev/null || set -- "$@" kubectl
    for binary in "$@"; do
        [[ -x $home/bin/$binary ]] || missing+=("$binary")
    done
    ((${#missing[@]} > 0)) || return 0
    require_root
    mkdir -p "$home"
    # Two scripts may need the same build at the same time: the second finds it done.
    exec 8>"$home/.lock"
    flock 8
    apt_install "${BUILD_PACKAGES[@]}"
    [[ -e $home/.prepared ]] || step "Preparing the source of Kubernetes $KUBERNETES_VERSION" prepare_source "$home"
    for binary in "${missing[@]}"; do
        [[ -x $home/bin/$binary ]] || build_missing "$home" "$binary"
    done
    exec 8>&-
}

# build_missing HOME BINARY: the servers share nearly all of their packages, so they are built in one go.
build_missing() {
    local home=$1 binary=$2
    case $binary in
    kubectl) step "Building kubectl" build_commands "$home" kubectl ;;
    kube*) step "Building the Kubernetes servers (about 6 minutes on 2 cores)" build_commands "$home" "${KUBERNETES_SERVERS[@]}" ;;
    sample-controller) step "Building sample-controller" build_sample_controller "$home" ;;
    node-services-*) step "Building node-services" build_node_services "$home" "$binary" ;;
    *) die "no recipe for $binary" ;;
    esac
}

in_gopath() {
    local home=$1
    shift
    (
        cd "$home/gopath/src/k8s.io/kubernetes" || exit
        PATH=$GO_ROOT/bin:$PATH GOROOT=$GO_ROOT GOPATH=$home/gopath GOCACHE=$home/gocache GO111MODULE=off \
            GOFLAGS=-trimpath CGO_ENABLED=0 nice "$@"
    )
}

prepare_source() {
    local home=$1 tree
    tree=$home/gopath/src/k8s.io/kubernetes
    rm -rf "$home/gopath" "$home/download"
    mkdir -p "$tree"
    apt_fetch_source kubernetes "$home/download"
    tar -xzf "$home/download"/kubernetes_*.orig.tar.gz -C "$tree" --strip-components=1
    rm -rf "$home/download"
    # The vendored 1.0.1 reads the runtime's maps in a way that Go 1.18 changed: kube-apiserver
    # would die on the first custom resource.
    rm -rf "$tree/vendor/github.com/modern-go/reflect2"
    cp -a /usr/share/gocode/src/github.com/modern-go/reflect2 "$tree/vendor/github.com/modern-go/"
    lift_client_limit "$tree/staging/src/k8s.io/sample-controller/main.go"
    generate_openapi "$home"
    touch "$home/.prepared"
}

# The default of 5 requests per second would measure the limit and not the controller.
lift_client_limit() {
    sed -i '/kubernetes.NewForConfig(cfg)/i\	cfg.QPS = -1' "$1"
    grep -q 'cfg.QPS = -1' "$1"
}

# The source package leaves out this one generated file.
generate_openapi() {
    local home=$1 tree packages
    tree=$home/gopath/src/k8s.io/kubernetes
    in_gopath "$home" go build -o "$home/openapi-gen" k8s.io/kubernetes/vendor/k8s.io/kube-openapi/cmd/openapi-gen
    packages=$(cd "$tree" && openapi_packages | sed 's|^|k8s.io/kubernetes/|' | paste -sd,)
    in_gopath "$home" "$home/openapi-gen" --input-dirs "$packages" \
        -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
        -h /dev/null --report-filename "$home/openapi-report.txt"
    test -s "$tree/pkg/generated/openapi/zz_generated.openapi.go"
}

openapi_packages() {
    {
        grep -rl --include='*.go' '+k8s:openapi-gen=' pkg cmd plugin
        grep -rl --include='*.go' '+k8s:openapi-gen=' staging/src/k8s.io | sed 's|^staging/src/|vendor/|'
    } | xargs -n1 dirname | sort -u | grep -vE 'code-generator|sample-apiserver|gengo|kube-openapi|/test|testdata'
}

build_commands() {
    local home=$1 command version=k8s.io/component-base/version packages=()
    shift
    for command in "$@"; do packages+=("k8s.io/kubernetes/cmd/$command"); done
    mkdir -p "$home/bin"
    in_gopath "$home" go build -tags 'providerless dockerless' -o "$home/bin/" -ldflags \
        "-s -w -X $version.gitVersion=v$KUBERNETES_VERSION -X $version.gitMajor=1 -X $version.gitMinor=20" "${packages[@]}"
}

build_sample_controller() {
    local home=$1 source=vendor/k8s.io/sample-controller
    in_gopath "$home" go build -ldflags '-s -w' -o "$home/bin/sample-controller" "k8s.io/kubernetes/$source"
    cp "$home/gopath/src/k8s.io/kubernetes/staging/src/k8s.io/sample-controller/artifacts/examples"/crd*.yaml "$home/bin/"
}

build_node_services() {
    local home=$1 binary=$2 package=cmd/node-services
    rm -rf "$home/gopath/src/k8s.io/kubernetes/$package" "$home"/bin/node-services-*
    mkdir -p "$home/gopath/src/k8s.io/kubernetes/$package" "$home/bin"
    cp "$CLUSTER_SOURCES"/node-services/*.go "$home/gopath/src/k8s.io/kubernetes/$package/"
    in_gopath "$home" go build -ldflags '-s -w' -o "$home/bin/$binary" "k8s.io/kubernetes/$package"
}
