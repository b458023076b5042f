# shellcheck shell=bash disable=SC2154
# A PostgreSQL on $PGDATA that nobody outside of this container reaches: sourced by scripts that restore. $work is a folder for scratch.

# ask DATABASE STATEMENT: one answer a line. What a statement says of passwords is in no log.
ask() {
    psql --host "$work" --username postgres --dbname "$1" --no-psqlrc --no-password --tuples-only --no-align --quiet --set ON_ERROR_STOP=1 2>"$work/log" <<<"$2" ||
        fail "psql: $(grep -m 1 ERROR "$work/log" || tail -n 1 "$work/log")"
}

server_says() {
    grep -m 1 -E 'FATAL|PANIC' "$work/server" || grep -m 1 ERROR "$work/server" || tail -n 1 "$work/server"
}

# What the data asks of the server that reads it: with less of these it does not start, or not become a primary.
needed() {
    pg_controldata "$PGDATA" | sed -nE 's/^(max_connections|max_worker_processes|max_wal_senders|max_locks_per_xact|max_prepared_xacts) setting: +([0-9]+)$/\1=\2/p' |
        sed 's/_per_xact/_per_transaction/; s/_prepared_xacts/_prepared_transactions/'
}

# start_postgres [OPTION]...: returns when it takes writes. With its own configuration: that in the data is Patroni's, and names what is not here.
# A standby that answered questions while it recovers would stop where the settings of the primary that was changed.
start_postgres() {
    : >"$work/server"
    # What fails leaves no server behind.
    trap 'pg_ctl stop --silent --mode=immediate --pgdata="$PGDATA" >/dev/null 2>&1 || true' EXIT
    printf '%s\n' 'local all all trust' >"$work/hba"
    {
        printf "%s='%s'\n" data_directory "$PGDATA" hba_file "$work/hba" listen_addresses '' unix_socket_directories "$work" unix_socket_permissions 0700 \
            hot_standby off shared_buffers 128MB wal_log_hints on log_statement none log_min_error_statement panic password_encryption scram-sha-256
        needed
    } >"$work/postgresql.conf"
    pg_ctl start --no-wait --silent --pgdata="$PGDATA" --log="$work/server" --options="-c config_file=$work/postgresql.conf $(printf '%q ' "$@")" >/dev/null
    until psql --host "$work" --username postgres --dbname postgres --no-password --command 'SELECT' >/dev/null 2>&1; do
        # It may not have written its process number yet; one that ended has written more than that.
        pg_ctl status --pgdata="$PGDATA" >/dev/null || ! grep -qE 'FATAL|PANIC|database system is shut down' "$work/server" || return 1
        touch "$STAGE/alive"
        sleep 0.2
    done
}

stop_postgres() {
    pg_ctl stop --wait --timeout=600 --silent --mode=fast --pgdata="$PGDATA" >/dev/null || fail "PostgreSQL does not stop: $(server_says)"
}

# The roles that the servers use among themselves, under the names that they have now, and the application's, with the passwords that this cluster
# has. Second users that are not there are made by the operator, as are all others; those that are there are of another time, and closed.
set_passwords() {
    export REPLICATION_USERNAME=${REPLICATION_USERNAME:-standby} REWIND_USERNAME=${REWIND_USERNAME:-rewind}
    ask postgres "$(cat <<'SQL'
\getenv superuser SUPERUSER_PASSWORD
\getenv replicator REPLICATION_USERNAME
\getenv replication REPLICATION_PASSWORD
\getenv rewinder REWIND_USERNAME
\getenv rewind REWIND_PASSWORD
\getenv username APP_USERNAME
\getenv application APP_PASSWORD
SELECT format('CREATE ROLE %I', name) FROM unnest(ARRAY['standby', 'rewind', 'app', :'replicator', :'rewinder']) name WHERE to_regrole(quote_ident(name)) IS NULL GROUP BY name
\gexec
SELECT format('ALTER ROLE %I NOSUPERUSER NOLOGIN PASSWORD NULL', rolname) FROM pg_roles WHERE rolname IN ('standby', 'rewind', 'app') OR (rolname LIKE '%.b' AND to_regrole(quote_ident(left(rolname, -2))) IS NOT NULL)
\gexec
ALTER ROLE postgres WITH LOGIN SUPERUSER PASSWORD :'superuser';
ALTER ROLE :"replicator" WITH LOGIN REPLICATION PASSWORD :'replication';
ALTER ROLE :"rewinder" WITH LOGIN PASSWORD :'rewind';
SELECT format('ALTER ROLE %I WITH LOGIN PASSWORD %L', rolname, :'application') FROM pg_roles WHERE rolname = :'username'
\gexec
GRANT EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(text, boolean, boolean) TO :"rewinder";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_file(text, boolean) TO :"rewinder";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text) TO :"rewinder";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO :"rewinder";
SQL
    )"
}

# What was restored, as facts.
state() {
    ask postgres "SELECT 'until=' || coalesce(to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '')
        UNION ALL SELECT 'lsn=' || pg_current_wal_lsn() UNION ALL SELECT 'timeline=' || timeline_id FROM pg_control_checkpoint()
        UNION ALL SELECT 'databases=' || count(*) FROM pg_database WHERE datallowconn AND NOT datistemplate"
}

check_indexes() {
    pg_amcheck --host="$work" --username=postgres --no-password --all --install-missing >"$work/log" 2>&1 || fail "pg_amcheck: $(grep -m 1 -v '^ *$' "$work/log")"
}

check_pages() {
    pg_checksums --check --pgdata="$PGDATA" >"$work/log" 2>&1 || fail "pg_checksums: $(grep -m 1 error "$work/log" || tail -n 1 "$work/log")"
}

# Who asks may read everything, and nothing else: a superuser could start programs in this container.
readonly READER=dora_drill

reader() {
    ask postgres "CREATE ROLE $READER LOGIN BYPASSRLS IN ROLE pg_read_all_data"
    ask postgres "$(printf "SELECT format('GRANT CONNECT ON DATABASE %%I TO $READER', datname) FROM pg_database WHERE datallowconn\n\\\\gexec")"
}

# Each question NAME.query of $CHECKS (/checks), asked of NAME.database where there is such a file, and whether the answer is that of NAME.expect.
answers() {
    local file name database got
    reader
    for file in "${CHECKS:-/checks}"/*.query; do
        [[ -e $file ]] || return 0
        name=$(basename "$file" .query)
        database=$(cat "${file%.query}.database" 2>/dev/null || echo app)
        # Behind an empty line psql takes everything for SQL, and nothing for a command of its own.
        got=$(PGOPTIONS='-c default_transaction_read_only=on' psql --host "$work" --username "$READER" --dbname "$database" --no-psqlrc --no-password \
            --tuples-only --no-align --quiet --command $'\n'"$(cat "$file")" 2>&1) || true
        if [[ $got == "$(cat "${file%.query}.expect")" ]]; then
            echo "check:$name=passed"
        else
            got=${got//$'\n'/ }
            echo "check:$name=failed: got ${got:0:180}"
        fi
    done
}
