# How many documents mongodump wrote or mongorestore read, as each tells of every collection when it is done with it: in all, and of the largest databases.
# Users and the servers' own databases are left out: mongorestore says nothing of them.
match($0, /(done dumping|finished restoring) .* \([0-9]+ documents?/) {
    text = substr($0, RSTART, RLENGTH)
    sub(/^(done dumping|finished restoring) /, "", text)
    match(text, / \([0-9]+ documents?$/)
    number = substr(text, RSTART + 2) + 0
    database = substr(text, 1, index(text, ".") - 1)
    if (database == "admin" || database == "config" || database == "local" || number == 0) next
    documents[database] += number
    total += number
    collections++
}
END {
    printf "count:documents=%d\ncount:collections=%d\n", total, collections
    for (shown = 0; shown < 40; shown++) {
        largest = ""
        for (database in documents) if (largest == "" || documents[database] > documents[largest] || (documents[database] == documents[largest] && database < largest)) largest = database
        if (largest == "") exit
        printf "count:documents:%s=%d\n", largest, documents[largest]
        delete documents[largest]
    }
}
