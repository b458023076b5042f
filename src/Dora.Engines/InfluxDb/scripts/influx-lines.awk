# Lays down what backup-influxdb1.sh wrote: points by the thousand and each other line by itself, by "bash SCRIPT lay ...". Ends with 1 when anything was
# refused, or when the end is missing.
function lay(arguments) {
    if (arguments !~ /^[a-z]+( [A-Za-z0-9_.:%-]+)+$/ || system("bash " script " lay " arguments) != 0) {
        failed = 1
        exit 1
    }
}
function flush() {
    if (!points) return
    close(batch)
    lay("points " place)
    points = 0
}
function keep() {
    print >batch
    if (++points >= 10000 && !more) flush()
}
NR == 1 { if ($0 != "#dora-influxdb1 1") exit failed = 1; next }
more > 0 { more--; keep(); next }
/^#lines [0-9]+$/ { more = $2; next }
$0 == "#end" { flush(); whole = 1; next }
/^#/ {
    flush()
    if ($1 == "#policy") place = $2 " " $3
    lay(substr($0, 2))
    next
}
{ keep() }
END { if (failed || !whole) exit 1 }
