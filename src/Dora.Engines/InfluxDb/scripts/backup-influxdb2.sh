#!/usr/bin/env bash
# Writes what "influx backup" takes from an InfluxDB 2.x - all data, users, tokens, tasks - into the pipe $STAGE/data, as a tar of its folder. Says in
# $STAGE/outcome how that ended. $INFLUX_HOST is the server's address, $INFLUX_TOKEN opens it, $SSL_CERT_FILE says whom to believe: influx reads them from there.
set -euo pipefail

# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"

problem() {
    echo "influx backup from $INFLUX_HOST: $(tail -n 1 "$work/log")"
}

main() {
    local buckets
    mkdir "$work/backup"
    growing "$work/backup" influx backup "$work/backup" >"$work/log" 2>&1
    buckets=$(cat "$work"/backup/*.manifest | grep -o '"bucketName": *"[^_"][^"]*"' | wc -l) || fail "influx backup wrote no manifest of any bucket"
    tar -C "$work/backup" -cf - . >"$STAGE/data" 2>"$work/log"
    outcome exit=0 "count:buckets=$buckets"
}

main
