#!/usr/bin/env bash
# Takes what backup-influxdb2.sh wrote from the pipe $STAGE/data, and has "influx restore --full" lay it into the empty volume $DATA, by a server that listens on
# loopback. With it come users and tokens as they were: the administrator's token must be the one of this stack. With DRILL=1 checks are asked. Says in
# $STAGE/outcome how that ended. $ADMIN_USERNAME, $ADMIN_PASSWORD, $INFLUX_TOKEN and $INFLUX_ORG are the stack's.
set -euo pipefail

# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"

export INFLUX_HOST=http://127.0.0.1:${PORT:-8086}
arriving=$DATA/arriving
server=

problem() {
    echo "influx: $(tail -n 1 "$work/log")"
}

stop() {
    [[ -n $server ]] || return 0
    kill "$server" 2>/dev/null || true
    wait "$server" || true
    server=
}

tidy() {
    stop
    rm -rf "$arriving" "$DATA/incoming"
}

# get PATH: what the API answers.
get() {
    printf 'Authorization: Token %s\n' "$INFLUX_TOKEN" | curl -sf -m 30 -H @- "$INFLUX_HOST$1"
}

# start: no task runs while nobody looks.
start() {
    INFLUXD_BOLT_PATH=$arriving/influxd.bolt INFLUXD_SQLITE_PATH=$arriving/influxd.sqlite INFLUXD_ENGINE_PATH=$arriving/engine \
        INFLUXD_HTTP_BIND_ADDRESS=${INFLUX_HOST#http://} INFLUXD_NO_TASKS=true INFLUXD_REPORTING_DISABLED=true INFLUXD_UI_DISABLED=true influxd run >>"$work/server" 2>&1 &
    server=$!
    until curl -sf -m 5 -o /dev/null "$INFLUX_HOST/api/v2/setup"; do
        kill -0 "$server" 2>/dev/null || fail "influxd ended: $(tail -n 1 "$work/server")"
        alive
        sleep 0.2
    done
}

# unpack: tar may have enough before the stream ends.
unpack() {
    { tar -C "$DATA/incoming" -xf - 2>"$work/log" && cat >/dev/null; } <"$STAGE/data"
}

# set_up: a server takes a restore from its administrator only. What is set up here is replaced by what the backup holds.
set_up() {
    printf '{"username":"admin","password":"%s","org":"%s","bucket":"restoring","token":"%s"}' "$ADMIN_PASSWORD" "$INFLUX_ORG" "$INFLUX_TOKEN" |
        curl -sf -m 30 -o /dev/null -H 'Content-Type: application/json' --data-binary @- "$INFLUX_HOST/api/v2/setup"
}

# post PATH BODY: what the API answers to a body, which stands in no argument.
post() {
    (umask 077 && printf 'Authorization: Token %s\n' "$INFLUX_TOKEN" >"$work/header")
    printf '%s' "$2" | curl -sf -m 30 -H "@$work/header" -H 'Content-Type: application/json' --data-binary @- "$INFLUX_HOST$1"
}

# id: the ID of the first object of an answer.
id() {
    grep -oE '"id": *"[0-9a-f]{16}"' | head -n 1 | grep -oE '[0-9a-f]{16}'
}

# administrators: passwords came as they were then. The administrator whom the Secret names has the one of the Secret, and the other
# of the two that take turns one that nobody knows.
administrators() {
    local name user org password=${ADMIN_PASSWORD//\\/\\\\}
    org=$(get "/api/v2/orgs?org=$INFLUX_ORG" | id)
    for name in admin admin.b; do
        user=$(get "/api/v2/users?name=$name" | id || true)
        if [[ $name != "$ADMIN_USERNAME" ]]; then
            [[ -z $user ]] || post "/api/v2/users/$user/password" "{\"password\":\"$(head -c 32 /dev/urandom | base64 -w 0)\"}"
            continue
        fi
        if [[ -z $user ]]; then
            user=$(post /api/v2/users "{\"name\":\"$name\"}" | id)
            post "/api/v2/orgs/$org/owners" "{\"id\":\"$user\"}" >/dev/null
        fi
        post "/api/v2/users/$user/password" "{\"password\":\"${password//\"/\\\"}\"}"
    done
}

# matches PATTERN TEXT: how often.
matches() {
    grep -o "$1" <<<"$2" | wc -l || true
}

# buckets: how many there are, but for the server's own.
buckets() {
    local offset=0 page found total=0
    while :; do
        page=$(get "/api/v2/buckets?limit=100&offset=$offset")
        found=$(matches '"retentionRules"' "$page")
        total=$((total + found - $(matches '"type": *"system"' "$page")))
        ((found == 100)) || break
        offset=$((offset + 100))
    done
    echo "$total"
}

# ask_check FILE: the column _value of a Flux query's answer, on lines.
ask_check() {
    influx query --raw --file "$1" | tr -d '\r' | awk -F ',' '
        /^#/ || NF == 0 { header = 1; next }
        header { header = 0; for (i = 1; i <= NF; i++) if ($i == "_value") column = i; next }
        { print $column }'
}

main() {
    local answers=() number
    [[ ! -e $DATA/influxd.bolt && ! -e $DATA/engine ]] || fail "$DATA holds data already, which is never written over"
    rm -rf "$arriving" "$DATA/incoming"
    mkdir "$arriving" "$DATA/incoming"
    if ! unpack; then
        approved || fail "the stream broke off"
        fail "tar: $(tail -n 1 "$work/log")"
    fi
    approved || fail "the stream broke off"
    start
    set_up || fail "influxd could not be set up"
    growing "$arriving" influx restore --full "$DATA/incoming" >"$work/log" 2>&1
    rm -rf "$DATA/incoming"
    # What counts is what a server finds on the volume.
    stop
    start
    get '/api/v2/buckets?limit=1' >/dev/null || fail "the tokens in the backup are not this stack's: restore it into the stack that it was made of, or put the token of that one's administrator into this one's Secret"
    administrators || fail "the administrator of the backup could not be given this stack's password"
    number=$(buckets)
    [[ ${DRILL:-} != 1 ]] || mapfile -t answers < <(checks)
    stop
    sync
    mv "$arriving/engine" "$DATA/engine"
    [[ ! -e $arriving/influxd.sqlite ]] || mv "$arriving/influxd.sqlite" "$DATA/influxd.sqlite"
    mv "$arriving/influxd.bolt" "$DATA/influxd.bolt"
    outcome exit=0 "count:buckets=$number" "${answers[@]}"
}

main
