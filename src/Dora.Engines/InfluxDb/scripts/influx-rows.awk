# Each row as its fields, percent-encoded, each followed by a bar.
BEGIN { for (i = 1; i < 256; i++) code[sprintf("%c", i)] = sprintf("%%%02X", i) }
function head() { }
function row(    n, i, rest) {
    n = fields(RECORD, field)
    for (i = 1; i <= n; i++) {
        for (rest = field[i]; match(rest, /[^A-Za-z0-9_.:-]/); rest = substr(rest, RSTART + 1)) printf "%s%s", substr(rest, 1, RSTART - 1), code[substr(rest, RSTART, 1)]
        printf "%s|", rest
    }
    printf "\n"
}
