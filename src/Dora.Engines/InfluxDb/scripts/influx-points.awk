# Values as line protocol, one a line: the column of each is the number of its field in the file "table" (lines "type field", the field escaped). A value
# that spans lines is announced by "#lines COUNT". Adds how many there were to the file "counted".
BEGIN { while ((getline line <table) > 0) { types[++n] = substr(line, 1, index(line, " ") - 1); keys[n] = substr(line, index(line, " ") + 1) } }
function head(    column) {
    fields(RECORD, column)
    type = types[column[4]]
    key = keys[column[4]]
    prefix = ""
}
function row(    column, rest, at, value) {
    # Rows of a series follow each other.
    if (prefix == "" || substr(RECORD, 1, length(prefix)) != prefix) {
        fields(RECORD, column)
        value = column[1]
        gsub(/[, ]/, "\\\\&", value)
        series = value (column[2] == "" ? "" : "," column[2]) " " key "="
        rest = RECORD
        prefix = substr(rest, 1, length(rest) - length(tail(rest)))
    }
    rest = substr(RECORD, length(prefix) + 1)
    at = index(rest, ",")
    value = substr(rest, at + 1)
    if (type == "integer") value = value "i"
    if (type == "string") value = text(value)
    print series value " " substr(rest, 1, at - 1)
    count++
}
# tail: what follows the first two fields of a row.
function tail(rest,    i, end) {
    for (i = 0; i < 2; i++) {
        if (substr(rest, 1, 1) == "\"") {
            for (rest = substr(rest, 2); (end = index(rest, "\"")) && substr(rest, end + 1, 1) == "\""; rest = substr(rest, end + 2));
            rest = substr(rest, end + 2)
        } else {
            rest = substr(rest, index(rest, ",") + 1)
        }
    }
    return rest
}
function text(value,    column, lines) {
    fields(value, column)
    value = column[1]
    if (index(value, "\\")) gsub(/\\/, "\\\\\\\\", value)
    if (index(value, "\"")) gsub(/"/, "\\\"", value)
    if (index(value, "\n")) {
        lines = value
        print "#lines " gsub(/\n/, "", lines) + 1
    }
    return "\"" value "\""
}
END { print count + 0 >>counted }
