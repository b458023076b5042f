# shellcheck shell=bash
# The CRD server of today's API machinery (k8s.io/apiextensions-apiserver 0.36), built in a root
# file system of Debian sid, which is removed afterwards.

readonly APIEXTENSIONS_VERSION=0.36
readonly APIEXTENSIONS_PACKAGES=golang-1.27-go,golang-k8s-apiextensions-apiserver-dev,ca-certificates

apiextensions_home() {
    local recipe
    recipe=$(dirname "${BASH_SOURCE[0]}")/apiextensions-build.sh
    echo "$DORA_CACHE/apiextensions-apiserver-$APIEXTENSIONS_VERSION-$(recipe_hash "$recipe")"
}

apiextensions_binary() {
    echo "$(apiextensions_home)/apiextensions-apiserver"
}

ensure_apiextensions() {
    local home
    home=$(apiextensions_home)
    [[ ! -x $(apiextensions_binary) ]] || return 0
    require_root
    apt_install mmdebstrap
    mkdir -p "$home"
    exec 8>"$home/.lock"
    flock 8
    [[ -x $home/root/usr/lib/go-1.27/bin/go ]] ||
        step "Making a Debian sid root for the CRD server (about 4 minutes)" make_sid_root "$home/root"
    step "Building apiextensions-apiserver (about 10 minutes on 2 cores)" build_apiextensions "$home"
    exec 8>&-
}

make_sid_root() {
    local root=$1
    rm -rf "$root" "$root.next"
    debian_root sid "$root.next" "$APIEXTENSIONS_PACKAGES" --variant=apt
    mv "$root.next" "$root"
}

# /proc is mounted in a mount namespace of its own, so that nothing stays mounted however this ends.
build_apiextensions() {
    local home=$1 root=$1/root
    mkdir -p "$root/proc" "$root/out"
    # shellcheck disable=SC2016 # $1 is for the inner shell
    nice unshare --mount bash -euc 'mount -t proc proc "$1/proc"; exec chroot "$@"' - "$root" \
        /usr/bin/env -i HOME=/root PATH=/usr/lib/go-1.27/bin:/usr/bin:/bin \
        GOROOT=/usr/lib/go-1.27 GOPATH=/usr/share/gocode GOCACHE=/var/cache/go GO111MODULE=off GOFLAGS= CGO_ENABLED=0 \
        go build -ldflags '-s -w' -o /out/apiextensions-apiserver k8s.io/apiextensions-apiserver
    install -m 0755 "$root/out/apiextensions-apiserver" "$home/apiextensions-apiserver.next"
    rm -rf "$root"
    mv "$home/apiextensions-apiserver.next" "$home/apiextensions-apiserver"
}
