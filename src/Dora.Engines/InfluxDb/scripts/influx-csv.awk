# Reads an answer of InfluxDB in CSV: calls head() for the header of each statement's rows and row() for each row, whose text is RECORD. Remembers in
# the file "status" which HTTP status the answer had, and ends with 1 unless the answer to the last statement was there.
function fields(text, into,    n, piece, end) {
    for (n = 0; ; text = substr(text, end + 1)) {
        if (substr(text, 1, 1) != "\"") {
            end = index(text, ",")
            if (!end) {
                into[++n] = text
                return n
            }
            into[++n] = substr(text, 1, end - 1)
            continue
        }
        piece = ""
        for (text = substr(text, 2); (end = index(text, "\"")) && substr(text, end + 1, 1) == "\""; text = substr(text, end + 2)) piece = piece substr(text, 1, end)
        into[++n] = piece substr(text, 1, end - 1)
        end++
        if (end > length(text)) return n
    }
}
NR == 1 { printf "%s", $2 >status; close(status); ok = ($2 == "200"); next }
!body { body = ($0 == "\r"); next }
!ok { next }
{
    RECORD = open ? RECORD "\n" $0 : $0
    if (index($0, "\"") && gsub(/"/, "\"", $0) % 2) open = !open
    if (open) next
    if (RECORD == "") { block = 0; next }
    if (!block) { block = 1; last = (RECORD == "name,tags,name"); if (!last) head() } else if (!last || all) row()
}
END { if (!ok || !last || open) exit 1 }
