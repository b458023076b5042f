# shellcheck shell=bash
# Sourced by restore-influxdb1.sh: what each line of the stream becomes. Arguments are percent-encoded.

: "${work:?a folder for this script alone}"

# say STATEMENT: has it done.
say() {
    echo "$1" | ask >/dev/null || refused "$(status): ${1%% WITH PASSWORD*}"
}

refused() {
    echo "${1:0:200}" >"$work/refused"
    exit 1
}

# points DATABASE POLICY: writes the batch.
points() {
    local answer
    answer=$(post "/write?db=$1&rp=$2&precision=ns" "$work/batch" | tr -d '\0' | head -c 2000)
    [[ $answer == "HTTP/1.0 204"* ]] || refused "influxd takes no points: ${answer##*$'\n'}"
}

# policy DATABASE POLICY DURATION SHARD DEFAULT: without an end for now, or what is older would be refused.
policy() {
    local place
    place="$(name "$2") ON $(name "$1")"
    say "CREATE RETENTION POLICY $place DURATION INF REPLICATION 1 SHARD DURATION $4 $([[ $5 == false ]] || echo DEFAULT);"
    [[ $3 == 0s ]] || echo "ALTER RETENTION POLICY $place DURATION $3;" >>"$work/rules"
}

lay() {
    case $1 in
    database) say "CREATE DATABASE $(name "$2");" ;;
    policy) policy "${@:2}" ;;
    points) points "${@:2}" ;;
    query) say "$(decoded "$4");" ;;
    # Nobody knows this password: whoever is declared is given the one of their Secret by the operator.
    user) say "CREATE USER $(name "$2") WITH PASSWORD '$(head -c 24 /dev/urandom | base64)'$([[ $3 == false ]] || echo ' WITH ALL PRIVILEGES');" ;;
    grant) [[ $4 == NO* ]] || say "GRANT $([[ $4 == ALL* ]] && echo ALL || echo "$4") ON $(name "$3") TO $(name "$2");" ;;
    *) refused "the stream holds '$1', which is not known" ;;
    esac
}
