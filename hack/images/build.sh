#!/usr/bin/env bash
set -euo pipefail
shopt -s inherit_errexit

IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$(dirname "$IMAGES")")
readonly IMAGES ROOT

usage() {
    cat <<'TEXT'
Usage: hack/images/build.sh NAME|all [--out DIR] [--publish DIR]

Builds an image from Debian's packages, without Docker, as an OCI archive that
`hack/cluster.sh load` imports, and prints the archive's path. NAME is one of
  postgres   docker.io/dora/postgres:15   PostgreSQL 15, Patroni, pgBackRest, PgBouncer
  postgres-17 docker.io/dora/postgres:17  PostgreSQL 17, Patroni 4, from Debian 13
  redis      docker.io/dora/redis:7.0     Redis server, Sentinel, tools
  influxdb   docker.io/dora/influxdb:1.6  InfluxDB 1.6, server and client
  operator   docker.io/dora/operator:dev  the operator of this repository
  agent      docker.io/dora/agent:dev     what it runs beside databases, of this repository too
  pause      docker.io/dora/pause:1       what holds a pod's network (hack/cluster.sh loads it itself)

  --out DIR      also puts the archive there, as NAME.tar
  --publish DIR  operator and agent only: src/Dora.Operator (or .Agent) as published by -p:PublishProfile=container;
                 by default it is published now, unless the sources are as at the last time

Root file systems are kept in $DORA_CACHE/images (/var/cache/dora/images): only a changed recipe
or package list builds them anew. Needs root on Debian.
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$IMAGES/../lib/log.sh"
    . "$IMAGES/../lib/process.sh"
    . "$IMAGES/../lib/apt.sh"
    . "$IMAGES/../lib/cache.sh"
    . "$IMAGES/../lib/tests.sh"
    . "$IMAGES/layers.sh"
    . "$IMAGES/oci.sh"
}

# dockerfile NAME: that of the operator stands at the repository's root, where its sources are.
dockerfile() {
    if [[ $1 == operator ]]; then echo "$ROOT/Dockerfile"; else echo "$IMAGES/$1/Dockerfile"; fi
}

image_name() {
    sed -n 's/^# image: //p' "$(dockerfile "$1")"
}

# image_config NAME: the settings of the Dockerfile's last stage, as the config object of an OCI image.
image_config() {
    jq -Rnc 'reduce (inputs | capture("^(?<word>[A-Z]+) (?<value>.*)$")) as {$word, $value} ({};
        if $word == "FROM" then {}
        elif $word == "ENV" then .Env += [$value]
        elif $word == "USER" then .User = $value
        elif $word == "WORKDIR" then .WorkingDir = $value
        elif $word == "ENTRYPOINT" then .Entrypoint = ($value | fromjson)
        elif $word == "CMD" then .Cmd = ($value | fromjson)
        else . end)' "$(dockerfile "$1")"
}

# build NAME: prints the archive's path.
build() {
    local name=$1 archive
    [[ $name != */* && -d $IMAGES/$name ]] || die "there is no image named $name; see --help"
    require_root
    apt_install jq tar
    mkdir -p "$DORA_CACHE/images"
    case $name in
    operator | agent) archive=$(build_program "$name") ;;
    *) archive=$(build_cached "$name") ;;
    esac
    if [[ -n $out ]]; then
        mkdir -p "$out"
        cp "$archive" "$out/$name.tar"
        archive=$out/$name.tar
    fi
    echo "$archive"
}

build_cached() {
    local name=$1 layer archive
    layer=$(base_layer "$name")
    archive=$DORA_CACHE/images/$name-$(recipe_hash "$layer" "$IMAGES/oci.sh" "$(dockerfile "$name")").tar
    [[ -e $archive ]] ||
        step "Packing image $name" oci_archive "$archive" "$(image_name "$name")" "$(image_config "$name")" "$layer"
    echo "$archive"
}

# base_layer NAME: the path of the image's root file system as a tar file, made when it is not in the cache.
base_layer() {
    local name=$1 sources=("$IMAGES/layers.sh") layer
    case $name in
    pause) sources+=("$IMAGES/pause/pause.go") ;;
    *) sources+=("$(debian_suite "$name")" "$IMAGES"/{account,trim}.sh "$IMAGES/$name"/{account,packages}) ;;
    esac
    [[ ! -e $IMAGES/$name/prepare.sh ]] || sources+=("$IMAGES/$name/prepare.sh")
    layer=$DORA_CACHE/images/$name-$(recipe_hash "${sources[@]}").layer.tar
    if [[ ! -e $layer ]]; then
        if [[ $name == pause ]]; then
            [[ -x $GO ]] || apt_install golang-1.19-go
            step "Compiling pause" pause_layer "$layer"
        else
            apt_install mmdebstrap
            step "Installing the packages of image $name" root_layer "$name" "$layer"
        fi
    fi
    echo "$layer"
}

# project NAME: where the sources of an image's program are.
project() {
    echo "$ROOT/src/Dora.${1^}"
}

# build_program NAME: of a given publish; else of the sources, unless an archive of just these is in the cache.
build_program() {
    local name=$1 root archive
    root=$(base_layer "$name")
    if [[ -n $publish ]]; then
        archive=$DORA_CACHE/images/$name.tar
        [[ -x $publish/dora-$name ]] || die "$publish holds no dora-$name; publish $(project "$name") there, with -p:PublishProfile=container"
        step "Packing image $name" pack_program "$name" "$archive" "$root" "$publish"
    else
        archive=$DORA_CACHE/images/$name-$(program_recipe "$name" "$root").tar
        [[ -e $archive ]] || make_program "$name" "$archive" "$root"
    fi
    echo "$archive"
}

# program_recipe NAME LAYER: changes with anything that goes into the image.
program_recipe() {
    local sources
    mapfile -t sources < <(find "$ROOT/src" -type f ! -path '*/bin/*' ! -path '*/obj/*' | LC_ALL=C sort)
    recipe_hash "$2" "$IMAGES/oci.sh" "$(dockerfile "$1")" "$ROOT"/{global.json,Directory.Build.props,Directory.Packages.props} "${sources[@]}"
}

make_program() {
    local name=$1 archive=$2 root=$3 work
    require_dotnet
    work=$(mktemp -d "$DORA_CACHE/images/.publish.XXXXXX")
    # shellcheck disable=SC2064 # this folder
    trap "rm -rf '$work'" EXIT
    step "Publishing the $name" publish_program "$name" "$work"
    step "Packing image $name" pack_program "$name" "$archive" "$root" "$work"
    # Of earlier sources only those of the last day stay.
    find "$DORA_CACHE/images" -maxdepth 1 -name "$name-????????????.tar" -mtime +0 -delete
}

publish_program() {
    dotnet publish "$(project "$1")" -p:PublishProfile=container -o "$2"
}

pack_program() {
    local name=$1 archive=$2 root=$3 published=$4 app=$2.app
    tar -C "$published" --owner=0 --group=0 --mode=go=rX --transform='s|^\.|app|' -cf "$app" .
    oci_archive "$archive" "$(image_name "$name")" "$(image_config "$name")" "$root" "$app"
    rm -f "$app"
}

main() {
    local name=${1:-} out='' publish='' image
    (($# == 0)) || shift
    load_libraries
    DORA_LOG_DIR=$DORA_CACHE/logs
    readonly DORA_LOG_DIR
    while (($# > 0)); do
        case $1 in
        --out) out=$(realpath -m "${2:?--out needs a folder}") && shift ;;
        --publish) publish=$(realpath "${2:?--publish needs a folder}") && shift ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    case $name in
    '' | help | -h | --help) usage ;;
    all) for image in pause redis postgres influxdb agent operator; do build "$image"; done ;;
    *) build "$name" ;;
    esac
}

main "$@"
