#!/usr/bin/env bash
# Writes all that an InfluxDB 1.x holds into the pipe $STAGE/data, as line protocol, and says in $STAGE/outcome how that ended. It is asked for by queries, one
# field at a time: only so is an empty text told from none, and is each value's type known. See influxql.sh for who is asked.
set -euo pipefail

# shellcheck source=src/Dora.Engines/Backups/scripts/tool.sh
. "$(dirname "$0")/tool.sh"
# shellcheck source=src/Dora.Engines/InfluxDb/scripts/influxql.sh
. "$(dirname "$0")/influxql.sh"

# How many fields are asked for in one request.
readonly together=64

# intervals DATABASE POLICY: the time that shards cover, cut where any of them begins or ends, as "from|to". Shards overlap where their length was changed.
intervals() {
    local from='' to
    while IFS='|' read -r _ _ _ database policy _ start end _; do
        [[ $database != "$1" || $policy != "$2" ]] || printf '%s\n%s\n' "$start" "$end"
    done <"$work/shards" | sort -u | while read -r to; do
        [[ -z $from ]] || echo "$from|$to"
        from=$to
    done
}

# selects DATABASE POLICY FROM TO: one statement for each field in the table of the request, whose line is the column's name.
selects() {
    local number=0 measurement type field
    while IFS='|' read -r measurement type field _; do
        number=$((number + 1))
        printf 'SELECT %s::%s AS "%s" FROM %s.%s.%s WHERE time >= '\''%s'\'' AND time < '\''%s'\'' GROUP BY *;\n' \
            "$(name "$field")" "$type" "$number" "$(name "$1")" "$(name "$2")" "$(name "$measurement")" "$3" "$4"
    done
}

# table: the fields as influx-points.awk knows them.
table() {
    local type field
    while IFS='|' read -r _ type field _; do
        field=$(decoded "$field")
        field=${field//,/\\,}
        field=${field//=/\\=}
        echo "$type ${field// /\\ }"
    done
}

# values DATABASE POLICY: its values as line protocol.
values() {
    local batch from to
    fields "$1" "$2" >"$work/fields"
    rm -f "$work"/batch.*
    split -l "$together" "$work/fields" "$work/batch."
    intervals "$1" "$2" >"$work/intervals"
    for batch in "$work"/batch.*; do
        [[ -e $batch ]] || continue
        table <"$batch" >"$work/table"
        while IFS='|' read -r from to; do
            selects "$1" "$2" "$from" "$to" <"$batch" | question
            post '/query?epoch=ns&chunked=true' "$work/question" |
                LC_ALL=C awk -v status="$work/status" -v table="$work/table" -v counted="$work/counted.$1" -f "$here/influx-csv.awk" -f "$here/influx-points.awk"
        done <"$work/intervals"
    done
}

# users: who may do what, but for those whom the target has of its own. The server never tells a password, nor the hash of one.
users() {
    local user admin database privilege
    : >"$work/told"
    echo 'SHOW USERS;' | ask >"$work/users"
    while IFS='|' read -r _ _ user admin _; do
        [[ ${user%.b} != admin && ${user%.b} != monitor ]] || continue
        echo "$user" >>"$work/told"
        echo "#user $user $admin"
        echo "SHOW GRANTS FOR $(name "$user");" | ask >"$work/grants"
        while IFS='|' read -r _ _ database privilege _; do
            echo "#grant $user $database $privilege"
        done <"$work/grants"
    done <"$work/users"
}

# queries: the continuous queries.
queries() {
    local database name text
    echo 'SHOW CONTINUOUS QUERIES;' | ask >"$work/queries"
    while IFS='|' read -r database _ name text _; do
        [[ $database == _internal ]] || echo "#query $database $name $text"
    done <"$work/queries"
}

# copy: everything, in the order in which it is laid down.
copy() {
    local database policy rest
    echo '#dora-influxdb1 1'
    databases >"$work/databases"
    echo 'SHOW SHARDS;' | ask >"$work/shards"
    while read -r database; do
        echo "#database $database"
        : >"$work/counted.$database"
        policies "$database" >"$work/policies"
        while IFS='|' read -r policy rest; do
            echo "#policy $database $policy ${rest//|/ }"
            values "$database" "$policy"
        done <"$work/policies"
    done <"$work/databases"
    queries
    users
    echo '#end'
}

problem() {
    status
}

main() {
    local facts
    copy >"$STAGE/data"
    mapfile -t facts < <(cd "$work" && counts)
    outcome exit=0 "${facts[@]}"
}

# counts: how many values went through the pipe, in all and of the largest databases; and how many databases, queries and users.
counts() {
    local database
    while read -r database; do
        awk -v name="$database" '{ n += $1 } END { printf "%d %s\n", n, name }' "counted.$database"
    done <databases | sort -k1,1nr -k2,2 >counted
    awk '{ n += $1 } END { printf "count:databases=%d\ncount:values=%d\n", NR, n }' counted
    echo "count:continuous-queries=$(grep -c -v '^_internal|' queries || true)"
    echo "count:users=$(wc -l <told)"
    head -n 40 counted | sed -E 's/^([0-9]+) (.*)$/count:values:\2=\1/'
}

main
