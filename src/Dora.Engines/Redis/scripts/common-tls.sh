# shellcheck shell=sh
# In place of the one above: to servers that speak TLS only; whom to believe is the stack's own authority.
ask() {
  host=$1 port=$2
  shift 2
  REDISCLI_AUTH=$(cat /secret/admin-password) timeout 2 redis-cli --tls --cacert /tls/ca.crt --no-auth-warning --user admin -h "$host" -p "$port" "$@" 2>/dev/null
}
