#!/bin/sh
# Writes this member's neo4j.conf into memory and runs the server in the foreground.
set -eu
umask 077

ordinal=${POD_NAME##*-}
host=$POD_NAME.$DOMAIN
conf=$NEO4J_CONF/neo4j.conf

# endpoints COUNT: every member by the name that its pod keeps, whatever its address becomes.
endpoints() {
    list='' i=0
    while [ "$i" -lt "$1" ]; do
        list=$list${list:+,}$CLUSTER-$i.$DOMAIN:6000
        i=$((i + 1))
    done
    echo "$list"
}

mkdir -p "$NEO4J_CONF" /data/logs
{
    cat /config/neo4j.conf
    # The makers' options for the Java virtual machine change with the version; they stand in the image's own file.
    grep '^server\.jvm\.additional=' "${NEO4J_HOME:-/var/lib/neo4j}/conf/neo4j.conf" || true
    echo "server.default_advertised_address=$host"
    if [ "$MODE" = Cluster ]; then
        role=PRIMARY
        [ "$ordinal" -lt "$(cat /memory/primaries)" ] || role=SECONDARY
        echo "server.cluster.advertised_address=$host:6000"
        echo "server.cluster.raft.advertised_address=$host:7000"
        echo "server.routing.advertised_address=$host:7688"
        echo "server.cluster.system_database_mode=$role"
        echo "initial.server.mode_constraint=$role"
        [ "$ENDPOINTS_SETTING" != dbms.cluster.discovery.v2.endpoints ] || echo "dbms.cluster.discovery.version=V2_ONLY"
        echo "$ENDPOINTS_SETTING=$(endpoints "$(cat /memory/members)")"
    fi
    if [ -e /ldap/password ]; then
        # neo4j.conf takes a backslash for the beginning of an escape.
        printf 'dbms.security.ldap.authorization.system_password=%s\n' "$(head -n 1 /ldap/password | sed 's/\\/&&/g')"
    fi
} >"$conf"

# The password of the first start is good for nothing but setting another one, which the operator does. It goes by a file:
# an argument could be read by every process of the pod's node.
if [ ! -e /data/databases/system ] && [ ! -e /data/dbms/auth.ini ]; then
    printf '%s\n%s\n' --require-password-change=true "$(cat /secret/initial-password)" >/run/neo4j/initial
    neo4j-admin dbms set-initial-password @/run/neo4j/initial
    rm -f /run/neo4j/initial
fi

exec neo4j console
