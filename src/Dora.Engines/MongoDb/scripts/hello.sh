# shellcheck shell=bash
# Sourced. Asks this pod's server `hello` by its bytes: a probe runs every few seconds, and starting a shell in JavaScript each
# time would cost more than the database does.

# hello_says FIELD...: whether one of these fields is true in the answer.
hello_says() (
  exec 3<>"/dev/tcp/127.0.0.1/$MONGODB_PORT" || exit 1
  # OP_MSG: length 52, request 1, no response to, operation 2013; no flags; one document {hello: 1, $db: "admin"}.
  # shellcheck disable=SC2016 # $db is a name
  printf '\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0' >&3
  length=$(head -c 4 <&3 | od -An -tu4 | tr -d ' ')
  if [ "${length:-0}" -lt 26 ] || [ "$length" -gt 65536 ]; then exit 1; fi
  names=$(IFS='|' && echo "$*")
  head -c $((length - 4)) <&3 | LC_ALL=C grep -q -a -P "\x08($names)\x00\x01"
)
