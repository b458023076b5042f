# shellcheck shell=bash
# The lowest layer of each image, as a tar file.

readonly GO=/usr/lib/go-1.19/bin/go

# debian_suite NAME: which Debian the image's Dockerfile begins with.
debian_suite() {
    sed -nE 's/^FROM debian:([a-z]+)-slim$/\1/p' "$(dockerfile "$1")"
}

# root_layer NAME LAYER: the essential packages of that Debian, and those of the image.
root_layer() {
    local name=$1 layer=$2 options
    options=(--variant=essential --dpkgopt=force-confold --customize-hook="$IMAGES/trim.sh"
        --essential-hook="$IMAGES/account.sh \"\$1\" $(cat "$IMAGES/$name/account")")
    [[ ! -e $IMAGES/$name/prepare.sh ]] || options+=(--essential-hook="$IMAGES/$name/prepare.sh")
    debian_root "$(debian_suite "$name")" "$layer.next.tar" "$(paste -sd, "$IMAGES/$name/packages")" "${options[@]}"
    mv "$layer.next.tar" "$layer"
}

pause_layer() {
    local layer=$1 work
    work=$(mktemp -d)
    CGO_ENABLED=0 GO111MODULE=off GOCACHE=$work/cache GOFLAGS='' "$GO" build -ldflags '-s -w' -o "$work/pause" "$IMAGES/pause/pause.go"
    tar -C "$work" --owner=0 --group=0 -cf "$layer" pause
    rm -rf "$work"
}
