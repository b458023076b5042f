#!/usr/bin/env bash
# Writes a dump of all databases with the log of what changed meanwhile (mongodump --archive --oplog) into the pipe $STAGE/data: one state, that of its end.
# Says in $STAGE/outcome how that ended. $HOST and $PORT are the member, $MONGODB_USER and $MONGODB_PASSWORD the login, $TLS_CA whom to believe (without it: no TLS).
set -euo pipefail

# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"

problem() {
    local text
    text=$(grep -i -m 1 'failed:' "$work/log" || tail -n 1 "$work/log")
    # What went wrong stands at its end.
    [[ ${#text} -lt 120 ]] || text=${text: -120}
    echo "mongodump from $HOST: $text"
}

# login: the password, where no argument shows it.
login() {
    local password=${MONGODB_PASSWORD//\\/\\\\}
    (umask 077 && printf 'password: "%s"\n' "${password//\"/\\\"}" >"$work/login")
}

main() {
    local tls=() facts
    [[ -z ${TLS_CA:-} ]] || tls=(--ssl "--sslCAFile=$TLS_CA")
    login
    : >"$work/log"
    mongodump "--config=$work/login" "--host=$HOST" "--port=$PORT" "--username=$MONGODB_USER" --authenticationDatabase=admin \
        --authenticationMechanism=SCRAM-SHA-256 --readPreference=secondaryPreferred "${tls[@]}" --oplog --archive >"$STAGE/data" 2>"$work/log"
    mapfile -t facts < <(awk -f "$(dirname "$0")/count-documents.awk" "$work/log")
    outcome exit=0 "${facts[@]}" "oplog-entries=$(sed -nE 's/^.*dumped ([0-9]+) oplog entr.*$/\1/p' "$work/log")"
}

main
