# shellcheck shell=bash disable=SC2154
# What a restore from pgBackRest and the look that is taken before it share: sourced by restore-pgbackrest.sh and verify-pgbackrest.sh. $TARGET_TYPE
# (time, lsn or name) and $TARGET say up to where; without them it is up to the newest state, or to the end of an older backup.

fact() {
    sed -n "s/^$1=//p" "$STAGE/facts"
}

# repository: the backup's own, below the prefix of the store that is read: a copy may have another than the first place.
repository() {
    local below='((/[^/]+){4})$' prefix='' path
    path=$(sed -n 's/^repo1-path=//p' "$scripts/pgbackrest.conf")
    [[ ! $path =~ $below ]] || prefix=${path%"${BASH_REMATCH[1]}"}
    path=$(fact repository)
    [[ $path =~ $below ]] || fail "the backup does not say where its repository is: $path"
    echo "$prefix${BASH_REMATCH[1]}"
}

# told: once the agent has said which backup it is.
told() {
    until [[ -e $STAGE/verdict ]]; do sleep 0.2; done
    [[ $(cat "$STAGE/verdict") == ok ]] || fail 'the agent could not say what is restored'
    PGBACKREST_REPO1_PATH=$(repository)
    export PGBACKREST_REPO1_PATH
}

# stored COMMAND [ARGUMENT]...: what pgBackRest answers of its repository.
stored() {
    bash "$scripts/pgbackrest.sh" "$@" --log-level-console=off --log-level-stderr=error 2>"$work/log" || fail "pgbackrest $1: $(reason)"
}

# archived: what the archives of the backup's log have, in $work/archive.
archived() {
    local archives archive name
    archives=$(about archives "$(fact label)")
    mkdir -p "$work/archive"
    for archive in $archives; do
        stored repo-ls "archive/main/$archive" --recurse --output=json >"$work/archive/$archive.list"
        while read -r name; do
            stored repo-get "archive/main/$archive/$name" >"$work/archive/$name"
        done < <(grep -oE '"[0-9A-F]{8}\.history"' "$work/archive/$archive.list" | tr -d '"')
    done
}

# asked COMMAND: what pgbackrest-info.py says of this restore.
asked() {
    about "$1" "$(fact label)" "$work/archive" ${TARGET_TYPE:+"$TARGET_TYPE" "$TARGET"}
}
