#!/usr/bin/env bash
set -euo pipefail

HACK=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(dirname "$HACK")
readonly HACK ROOT

usage() {
    cat <<'TEXT'
Usage: hack/test.sh [--fast]

Builds everything and runs every test that needs no pods: unit, property and golden tests, and
integration tests on a real kube-apiserver with etcd, a current CRD server, PostgreSQL, Redis,
InfluxDB 1.6 and an object store (Ceph's gateway); InfluxDB 2, MongoDB and Neo4j are scripted servers,
unless an address is given.
What is missing is installed (Debian, root) and kept in the cache ($DORA_CACHE, /var/cache/dora);
the first run therefore builds Kubernetes (about 8 minutes) and the CRD server (about 15 minutes).
Ends with a line `N passed, N failed`.

  --fast    only the tests that start no server

Environment: DORA_TEST_KUBECONFIG  an API server to use instead of starting one
             DORA_TEST_INFLUXDB2   address:port,address:port of two InfluxDB 2 servers, new or of an earlier run
             DORA_TEST_MONGODB     mongodb://user:password@host:port,... of a replica set to throw away
             DORA_TEST_NEO4J       http://neo4j:password@host:7474 of a server to throw away
TEXT
}

# shellcheck source-path=SCRIPTDIR
load_libraries() {
    . "$HACK/lib/log.sh"
    . "$HACK/lib/apt.sh"
    . "$HACK/lib/cache.sh"
    . "$HACK/lib/tests.sh"
}

main() {
    local fast=false
    case ${1:-} in
    --help | -h) usage && return ;;
    --fast) fast=true ;;
    "") ;;
    *) usage >&2 && return 2 ;;
    esac
    load_libraries
    require_dotnet
    DORA_LOG_DIR=$(mktemp -d /tmp/dora-test.XXXXXX)
    export DORA_LOG_DIR
    step "Building" dotnet build "$ROOT/Dora.Operator.sln" --nologo
    local project
    for project in Dora.Kubernetes.Tests Dora.Vault.Tests Dora.Backup.Tests Dora.Agent.Tests Dora.Api.Tests Dora.Engines.Tests Dora.Operator.Tests; do
        run_tests "$project"
    done
    if [ "$fast" = false ]; then
        apt_install postgresql-15 patroni etcd-server redis-server redis-sentinel influxdb influxdb-client curl nodejs pgbouncer ceph-mon ceph-osd radosgw zstd pgbackrest
        # The tests start these themselves; built here, the build shows its progress.
        "$HACK/apiserver.sh" build
        "$HACK/crd-server.sh" build
        run_tests_twice Dora.Integration.Tests
    fi
    finish_tests
}

main "$@"
