# shellcheck shell=bash

# A server that speaks TLS gets the same bytes through OpenSSL's client, which the image has for its root certificates. Whose
# certificate it is says nothing here: the address is the pod's own. A pod that mounts none still runs as it was.
if [ -e /tls/ca.crt ]; then
  hello_says() (
    coproc SERVER { exec timeout 4 openssl s_client -quiet -connect "127.0.0.1:$MONGODB_PORT" 2>/dev/null; }
    # shellcheck disable=SC2064 # this process, whatever the variable becomes when it ends
    trap "kill $SERVER_PID 2>/dev/null || true" EXIT
    # The shell hides these from programs that it starts.
    exec 3<&"${SERVER[0]}" 4>&"${SERVER[1]}"
    # shellcheck disable=SC2016 # $db is a name
    printf '\x34\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0\x1f\0\0\0\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0' >&4
    length=$(head -c 4 <&3 | od -An -tu4 | tr -d ' ')
    if [ "${length:-0}" -lt 26 ] || [ "$length" -gt 65536 ]; then exit 1; fi
    names=$(IFS='|' && echo "$*")
    head -c $((length - 4)) <&3 | LC_ALL=C grep -q -a -P "\x08($names)\x00\x01"
  )
fi
