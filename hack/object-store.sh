#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HACK

usage() {
    cat <<'TEXT'
Usage: hack/object-store.sh up [--dir DIR] [--address IP] [--name DNS-NAME]...
       hack/object-store.sh down|status|stop|start [--dir DIR]
       hack/object-store.sh user NAME [--dir DIR]
       hack/object-store.sh quota BUCKET BYTES [--dir DIR]

A real object store for tests: Ceph's S3 gateway over TLS, with versions and object lock, in memory,
from Debian's packages; several side by side in folders of their own. A running one is left as it is.

  up      starts it and prints its address; DIR/ca.crt is who signed its certificate, and DIR/admin
          holds access key and secret, a line each, of a user who may make buckets
  user    makes another user, and prints access key and secret
  quota   lets a bucket hold so many bytes and no more; 0 lifts that
  stop    ends the gateway alone, as an outage would; start has it back with its data
  down    ends it and removes DIR
  status  says what runs; exit code 0 when all is well, else 1

  --dir DIR        where its state is kept (default $DORA_OBJECT_STORE_DIR, /var/lib/dora-object-store)
  --address IP     where it listens (127.0.0.1); the certificate names it and localhost
  --name DNS-NAME  another name for the certificate, beside localhost and object-store.test

Needs root on Debian.
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/process.sh"
}

store_up() {
    apt_install ceph-mon ceph-osd radosgw openssl curl
    mkdir -p "$DORA_DIR"/{osd,rgw,logs}
    step "Starting the object store in $DORA_DIR" start_store
    cat "$DORA_DIR/endpoint"
}

start_store() {
    [[ -s $DORA_DIR/ceph.conf ]] || write_configuration
    start_monitor
    start_storage
    start_gateway
    [[ -s $DORA_DIR/admin ]] || make_user admin >"$DORA_DIR/admin"
}

ceph_program() {
    local program=$1
    shift
    timeout 60 "$program" -c "$DORA_DIR/ceph.conf" "$@"
}

# One of each, nothing replicated, nobody asked for a password below the gateway: all listen on the loopback address only.
write_configuration() {
    local monitor port
    monitor=$(free_port)
    port=$(free_port)
    cat >"$DORA_DIR/ceph.conf.new" <<CONF
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon host = [v1:127.0.0.1:$monitor]
ms bind msgr2 = false
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
mon data = $DORA_DIR/mon
mon data avail warn = 0
mon data avail crit = 0
osd data = $DORA_DIR/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
run dir = $DORA_DIR
log file = $DORA_DIR/logs/\$name.ceph.log
admin socket = $DORA_DIR/\$name.\$pid.asok
rgw data = $DORA_DIR/rgw
rgw frontends = beast ssl_endpoint=$ADDRESS:$port ssl_certificate=$DORA_DIR/tls.pem
rgw thread pool size = 32
rgw dynamic resharding = false
rgw gc max objs = 1
rgw lc max objs = 1
rgw usage max shards = 1
rgw data log num shards = 1
rgw md log max shards = 1
rgw reshard num logs = 1
rgw objexp hints num shards = 1
CONF
    write_certificate
    monmaptool --create --addv a "[v1:127.0.0.1:$monitor]" --fsid "$(sed -n 's/^fsid = //p' "$DORA_DIR/ceph.conf.new")" --clobber "$DORA_DIR/monmap"
    ceph-mon -c "$DORA_DIR/ceph.conf.new" --mkfs -i a --monmap "$DORA_DIR/monmap"
    echo "https://$ADDRESS:$port" >"$DORA_DIR/endpoint"
    mv "$DORA_DIR/ceph.conf.new" "$DORA_DIR/ceph.conf"
}

write_certificate() {
    local name names="IP:$ADDRESS,DNS:localhost,DNS:object-store.test"
    for name in "${NAMES[@]}"; do names+=",DNS:$name"; done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=object store for tests" \
        -addext "subjectAltName=$names" -keyout "$DORA_DIR/tls.key" -out "$DORA_DIR/ca.crt"
    (umask 077 && cat "$DORA_DIR/tls.key" "$DORA_DIR/ca.crt" >"$DORA_DIR/tls.pem")
}

start_monitor() {
    start_daemon ceph-mon ceph-mon -c "$DORA_DIR/ceph.conf" -i a -f
    wait_until 30 "the monitor answers" monitor_ready
}

monitor_ready() {
    require_daemon ceph-mon && timeout 5 ceph -c "$DORA_DIR/ceph.conf" --connect-timeout 4 mon stat
}

start_storage() {
    local id
    if [[ ! -e $DORA_DIR/osd.uuid ]]; then
        id=$(cat /proc/sys/kernel/random/uuid)
        ceph_program ceph osd new "$id"
        # A memstore would make up an identity of its own, and the monitor refuse it.
        echo "$id" >"$DORA_DIR/osd/fsid"
        ceph_program ceph-osd -i 0 --mkfs --osd-uuid "$id"
        echo "$id" >"$DORA_DIR/osd.uuid"
    fi
    wait_until 60 "the storage is up" storage_ready
}

# One that ended at its start, because the monitor did not know it yet, is started again.
storage_ready() {
    start_daemon ceph-osd ceph-osd -c "$DORA_DIR/ceph.conf" -i 0 -f
    ceph_program ceph osd stat | grep -q '1 up'
}

start_gateway() {
    start_daemon radosgw radosgw -c "$DORA_DIR/ceph.conf" -n client.rgw -f
    wait_until 60 "the gateway answers" gateway_ready
}

gateway_ready() {
    require_daemon radosgw && curl -sf --max-time 5 --cacert "$DORA_DIR/ca.crt" "$(cat "$DORA_DIR/endpoint")"
}

# make_user NAME: prints its access key and its secret.
make_user() {
    local key secret
    key=$(openssl rand -hex 10)
    secret=$(openssl rand -hex 20)
    ceph_program radosgw-admin -n client.rgw user create --uid "$1" --display-name "$1" --access-key "$key" --secret-key "$secret" >&2
    printf '%s\n%s\n' "$key" "$secret"
}

# set_quota BUCKET BYTES
set_quota() {
    local switch=enable
    (($2 > 0)) || switch=disable
    ceph_program radosgw-admin -n client.rgw quota set --quota-scope=bucket --bucket="$1" --max-size="$2"
    ceph_program radosgw-admin -n client.rgw quota "$switch" --quota-scope=bucket --bucket="$1"
}

store_down() {
    local name
    [[ -d $DORA_DIR ]] || return 0
    [[ -d $DORA_DIR/run || -e $DORA_DIR/ceph.conf.new ]] || die "$DORA_DIR does not look like one of ours; remove it by hand"
    for name in radosgw ceph-osd ceph-mon; do stop_daemon "$name" 3; done
    rm -rf "$DORA_DIR"
}

store_status() {
    local name
    for name in ceph-mon ceph-osd radosgw; do
        daemon_running "$name" || { echo "$name does not run"; return 1; }
    done
    gateway_ready >/dev/null || { echo "the gateway does not answer"; return 1; }
    echo "ready at $(cat "$DORA_DIR/endpoint")"
}

main() {
    local command=${1:-} user='' bucket='' bytes=''
    DORA_DIR=${DORA_OBJECT_STORE_DIR:-/var/lib/dora-object-store}
    ADDRESS=127.0.0.1
    NAMES=()
    (($# == 0)) || shift
    if [[ $command == user ]]; then
        user=${1:?user needs a name} && shift
    elif [[ $command == quota ]]; then
        bucket=${1:?quota needs a bucket} bytes=${2:?quota needs a number of bytes} && shift 2
    fi
    while (($# > 0)); do
        case $1 in
        --dir) DORA_DIR=$(realpath -m "${2:?--dir needs a folder}") && shift ;;
        --address) ADDRESS=${2:?--address needs an IP address} && shift ;;
        --name) NAMES+=("${2:?--name needs a DNS name}") && shift ;;
        -h | --help) command=help ;;
        *) usage >&2 && exit 2 ;;
        esac
        shift
    done
    load_libraries
    DORA_LOG_DIR=$DORA_DIR/logs
    readonly DORA_DIR DORA_LOG_DIR ADDRESS NAMES
    case $command in
    up) store_up ;;
    user) make_user "$user" ;;
    quota) set_quota "$bucket" "$bytes" ;;
    stop) stop_daemon radosgw 3 ;;
    start) start_gateway ;;
    down) store_down ;;
    status) store_status ;;
    help | -h | --help | '') usage ;;
    *) usage >&2 && exit 2 ;;
    esac
}

main "$@"
