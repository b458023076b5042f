# shellcheck shell=bash
# Sourced. Speaks to an InfluxDB 1.x at $HOST:$PORT as user $INFLUX_USERNAME with $INFLUX_PASSWORD, which go by a pipe and never as arguments; without a user,
# as nobody. $ADDRESS is where $HOST is, where no DNS knows it. $TLS_CA says whom to believe; without it: no TLS. HTTP 1.0: the end of an answer is the end of the connection, and answers of any size flow.

: "${work:?a folder for this script alone}"
here=$(dirname "${BASH_SOURCE[0]}")

# talk: sends what stands on standard input, and writes what comes back.
talk() {
    if [[ -n ${TLS_CA:-} ]]; then
        openssl s_client -quiet -connect "${ADDRESS:-$HOST}:$PORT" -servername "$HOST" -verify_hostname "$HOST" -verify_return_error -CAfile "$TLS_CA" -no-CApath -no-CAstore 2>"$work/talk" || true
    else
        (exec 3<>"/dev/tcp/$HOST/$PORT" && cat >&3 && cat <&3) 2>"$work/talk" || true
    fi
}

# post PATH FILE: posts a file.
post() {
    : >"$work/status"
    {
        printf 'POST %s HTTP/1.0\r\nHost: %s\r\nAccept: application/csv\r\nContent-Type: application/x-www-form-urlencoded\r\n' "$1" "$HOST"
        [[ -z ${INFLUX_USERNAME:-} ]] || printf 'Authorization: Basic %s\r\n' "$(printf '%s:%s' "$INFLUX_USERNAME" "$INFLUX_PASSWORD" | base64 -w 0)"
        printf 'Content-Length: %s\r\n\r\n' "$(stat -c %s "$2")"
        cat "$2"
    } | talk
}

# question: the statements on standard input, each ended by a semicolon, as the body of a request. Of a statement that fails the server's CSV says nothing
# at all, and a connection that broke looks like one that ended: one statement more is said, and only if that is answered were all others.
question() {
    { cat && echo 'SHOW DATABASES'; } | LC_ALL=C awk -f "$here/influx-form.awk" >"$work/question"
    # A run that asks is alive: no question takes longer than five minutes.
    touch "$STAGE/alive"
}

# rows [ALL]: puts the question; writes the rows of the answer, each field percent-encoded and followed by a bar, with ALL those of the last statement too.
# Fails unless all was answered.
rows() {
    post "/query?epoch=ns&chunked=true" "$work/question" | LC_ALL=C awk -v status="$work/status" -v all="${1:-}" -f "$here/influx-csv.awk" -f "$here/influx-rows.awk"
}

# ask: says the statements on standard input; writes their rows.
ask() {
    question
    rows
}

# decoded TEXT: what a percent-encoded text stands for.
decoded() {
    printf '%b' "${1//%/\\x}"
}

# name TEXT: a percent-encoded name as InfluxQL quotes it.
name() {
    local text
    text=$(decoded "$1" && echo .)
    text=${text%.}
    text=${text//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//$'\n'/\\n}"
}

# status: what is wrong, after a question that was not answered.
status() {
    local code
    code=$(cat "$work/status" 2>/dev/null || true)
    case $code in
    "") echo "no answer from $HOST:$PORT: $(tail -n 1 "$work/talk" 2>/dev/null)" ;;
    200) echo "$HOST:$PORT did not answer all that it was asked: see its log" ;;
    *) echo "$HOST:$PORT answers with HTTP status $code" ;;
    esac
}

# fields DATABASE POLICY: every field with its type, as "measurement|type|field|". Numbers of a field that is float in one shard and integer in another are read as floats.
fields() {
    echo "SHOW FIELD KEYS ON $(name "$1") FROM $(name "$2")./.*/;" | ask | LC_ALL=C awk -F '|' '
        $4 == "float" { float[$1, $3] = 1 }
        { found[++n] = $0 }
        END {
            for (i = 1; i <= n; i++) {
                split(found[i], part, "|")
                if (part[4] != "integer" || !((part[1], part[3]) in float)) printf "%s|%s|%s|\n", part[1], part[4], part[3]
            }
        }'
}

# policies DATABASE: every retention policy, as "name|duration|shard duration|whether it is the default|".
policies() {
    echo "SHOW RETENTION POLICIES ON $(name "$1");" | ask | cut -d '|' -f 3,4,5,7 --output-delimiter='|'
}

# databases: every database but the server's own statistics.
databases() {
    question </dev/null
    rows all | cut -d '|' -f 3 | sed '/^_internal$/d'
}
