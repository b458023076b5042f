# Statements as the body of a form.
BEGIN {
    for (i = 1; i < 256; i++) code[sprintf("%c", i)] = sprintf("%%%02X", i)
    printf "q="
}
{
    for (rest = $0 " "; match(rest, /[^A-Za-z0-9_.-]/); rest = substr(rest, RSTART + 1)) printf "%s%s", substr(rest, 1, RSTART - 1), code[substr(rest, RSTART, 1)]
}
