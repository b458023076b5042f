# The least that the operator needs of Vault. Mounts and paths are the defaults of spec.credentials.vault: kv, dora/NAMESPACE/NAME.

# Passwords: written once and by rotation (check-and-set), read when they changed.
path "kv/data/dora/+/+/+/*"              { capabilities = ["create", "read", "update", "patch"] }
path "kv/metadata/dora/+/+/+/*"          { capabilities = ["read", "list"] }

# Logins that Vault makes in a database (fields vault of declared roles). The operator asks for those that begin with the namespace of a stack.
path "database/static-creds/*"           { capabilities = ["read"] }
path "database/creds/*"                  { capabilities = ["read"] }
path "sys/leases/renew"                  { capabilities = ["update"] }
path "sys/leases/revoke"                 { capabilities = ["update"] }

# Certificates of the servers (spec.tls.issuer: Vault): requests are signed, keys never come here. Name each role that stacks may use.
path "pki/sign/db-server"                { capabilities = ["update"] }

# Keys of backups.
path "transit/encrypt/backups"           { capabilities = ["update"] }
path "transit/decrypt/backups"           { capabilities = ["update"] }
path "transit/rewrap/backups"            { capabilities = ["update"] }
