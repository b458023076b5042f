# shellcheck shell=bash
# Certificates and kubeconfig files below $DORA_DIR/pki.

# make_authority: the cluster's certificate authority and the key that signs service-account tokens.
make_authority() {
    local pki=$DORA_DIR/pki
    [[ ! -e $pki/ca.crt ]] || return 0
    install -d -m 0700 "$pki"
    printf '[req]\ndistinguished_name=dn\n[dn]\n' >"$pki/openssl.cnf"
    new_certificate "$pki/ca" /CN=dora-cluster \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/service-accounts.key"
    openssl ec -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub"
}

# issue_certificate NAME SUBJECT [ALTERNATIVE-NAMES]: NAME.crt and NAME.key by our authority.
issue_certificate() {
    local pki=$DORA_DIR/pki name=$1 subject=$2 names=${3:-}
    [[ ! -e $pki/$name.crt ]] || return 0
    new_certificate "$pki/$name" "$subject" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" \
        -addext basicConstraints=critical,CA:FALSE \
        -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=serverAuth,clientAuth \
        ${names:+-addext "subjectAltName=$names"}
}

new_certificate() {
    local path=$1 subject=$2
    shift 2
    openssl req -config "$DORA_DIR/pki/openssl.cnf" -x509 -days 3650 -nodes -newkey ec \
        -pkeyopt ec_paramgen_curve:P-256 -keyout "$path.key" -out "$path.crt.next" -subj "$subject" "$@"
    chmod 0600 "$path.key"
    mv "$path.crt.next" "$path.crt"
}

# client_kubeconfig FILE SERVER NAME SUBJECT: a kubeconfig with a client certificate of its own.
client_kubeconfig() {
    local file=$1 server=$2 name=$3 subject=$4 pki=$DORA_DIR/pki
    issue_certificate "$name" "$subject"
    write_kubeconfig "$file" "$server" \
        "{client-certificate-data: $(base64 -w0 "$pki/$name.crt"), client-key-data: $(base64 -w0 "$pki/$name.key")}"
}

# write_kubeconfig FILE SERVER USER: USER is the user's entry as YAML on one line.
write_kubeconfig() {
    local file=$1 server=$2 user=$3
    (
        umask 077
        cat >"$file.next" <<YAML
apiVersion: v1
kind: Config
clusters:
- name: dora
  cluster: {server: "$server", certificate-authority-data: $(base64 -w0 "$DORA_DIR/pki/ca.crt")}
users:
- name: dora
  user: $user
contexts:
- name: dora
  context: {cluster: dora, user: dora}
current-context: dora
YAML
    )
    mv "$file.next" "$file"
}
