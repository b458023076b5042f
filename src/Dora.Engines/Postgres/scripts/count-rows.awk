# Counts the rows of a dump in SQL, those between "COPY table (...) FROM stdin;" and "\.", and hands the dump on when "through" is set. Writes facts
# into the file "facts": how many tables and rows in all, and of the largest tables how many each. A schema "there" is not made again.
through && (within || $0 != "CREATE SCHEMA " there ";") { print }
!within && /^COPY .* FROM stdin;$/ { table = $2; within = 1; rows[table] += 0; next }
within && $0 == "\\." { within = 0; next }
within { rows[table]++; total++ }
END {
    for (table in rows) tables++
    printf "count:tables=%d\ncount:rows=%d\n", tables, total >facts
    for (shown = 0; shown < 40; shown++) {
        largest = ""
        for (table in rows) if (largest == "" || rows[table] > rows[largest] || (rows[table] == rows[largest] && table < largest)) largest = table
        if (largest == "") exit
        printf "count:rows:%s=%d\n", largest, rows[largest] >facts
        delete rows[largest]
    }
}
