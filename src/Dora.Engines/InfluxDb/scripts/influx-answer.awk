# The values of an answer, without name, tags and time: rows on lines, values between commas.
function head(    i) {
    columns = fields(RECORD, column)
    delete hidden
    for (i = 1; i <= columns; i++) hidden[i] = (i < 3 || column[i] == "time")
}
function row(    i, n, text) {
    n = fields(RECORD, value)
    text = ""
    for (i = 1; i <= n; i++) if (!hidden[i]) text = text (text == "" ? "" : ",") value[i]
    print text
}
