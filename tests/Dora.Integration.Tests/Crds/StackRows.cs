namespace Dora.Integration.Tests.Crds;

/// <summary>A stack, or another of our kinds, that must be refused.</summary>
/// <param name="Title">What is wrong with it.</param>
/// <param name="Spec">Its spec.</param>
/// <param name="Field">Where the answer says the error is; empty where it names none.</param>
/// <param name="Message">What the answer must say.</param>
/// <param name="Before">For an update: the spec before it.</param>
/// <param name="Name">Its name.</param>
/// <param name="Code">Status code.</param>
public sealed record RefusedStack(string Title, string Spec, string Field, string Message, string? Before = null, string Name = "payments", int Code = 422)
{
    /// <summary>Its kind.</summary>
    public string Kind { get; init; } = "ComplianceStack";

    public override string ToString() => Title;
}

/// <summary>Every bad input that the schema or its CEL rules can catch.</summary>
internal static class StackRows
{
    private const string Class = "storage.class cannot be changed: a volume does not move between classes; create a new stack and restore into it";
    private const string Shrink = "storage.size cannot shrink: volumes only grow; create a new stack with smaller volumes and restore into it";
    private const string Mode = "engines.redis.mode cannot be changed in place; create a new stack and restore into it";
    private const string Odd = "engines.redis.instances must be odd and at least 3 in mode Sentinel: Sentinels elect by majority";
    private const string One = "engines.redis.instances must be 1 in mode Standalone; choose mode Sentinel for more";
    private const string LongName = "metadata.name must be at most 40 characters: names of pods and revisions are derived from it and end at 63";
    private const string VaultNeeded = "vault is needed with source Vault, and belongs to no other source";
    private const string VaultOverHttp = "address must begin with https://: over http everybody on the way reads the token and the passwords";
    private const string LongOverlap = "overlap must be shorter than interval: else an old password would outlive its successor";
    private const string FirstLetter = "metadata.name must start with a letter and hold only lower-case letters, digits and '-': Service names are derived from it";

    public static IReadOnlyList<RefusedStack> All { get; } =
    [
        new("unknown engine", Engines("oracle: {}"), "", "unknown field \"spec.engines.oracle\"", Code: 400),
        new("unknown field", Redis("port: 1"), "", "unknown field \"spec.engines.redis.port\"", Code: 400),
        new("field twice", "{tier: Development, tier: Staging, engines: {redis: {}}}", "", "\"tier\" already set", Code: 400),
        new("no tier", "{engines: {redis: {}}}", "spec.tier", "Required value"),
        new("wrong tier", "{tier: Gold, engines: {redis: {}}}", "spec.tier", "supported values: \"Development\", \"Staging\", \"Production\""),
        new("engines absent", "{tier: Development}", "spec.engines", "Required value"),
        new("no engine at all", "{tier: Development, engines: {}}", "spec.engines", "should have at least 1 properties"),
        new("malformed stackVersion", "{tier: Development, stackVersion: latest, engines: {redis: {}}}", "spec.stackVersion", "should match"),
        new("unknown deletionPolicy", "{tier: Development, deletionPolicy: Keep, engines: {redis: {}}}", "spec.deletionPolicy", "supported values: \"Retain\", \"Delete\""),
        new("unknown credential source", "{tier: Development, credentials: {source: File}, engines: {redis: {}}}", "spec.credentials.source", "supported values: \"Generated\", \"Vault\""),
        new("source Vault without a Vault", Credentials("source: Vault"), "spec.credentials", VaultNeeded),
        new("a Vault without source Vault", Credentials("vault: {address: 'https://vault:8200'}"), "spec.credentials", VaultNeeded),
        new("Vault over http", Credentials("source: Vault, vault: {address: 'http://vault.vault:8200'}"), "spec.credentials.vault.address", VaultOverHttp),
        new("Vault over http at a name like loopback", Credentials("source: Vault, vault: {address: 'http://localhost.example.com:8200'}"), "spec.credentials.vault.address", VaultOverHttp),
        new("Vault with a path in its address", Credentials("source: Vault, vault: {address: 'https://vault:8200/v1'}"), "spec.credentials.vault.address", "should match"),
        new("Vault with a login in its address", Credentials("source: Vault, vault: {address: 'https://me:secret@vault:8200'}"), "spec.credentials.vault.address", "should match"),
        new("path in Vault that goes up", Credentials("source: Vault, vault: {address: 'https://vault:8200', path: dora/../others}"), "spec.credentials.vault.path", "should match"),
        new("mount in Vault with a slash at its end", Credentials("source: Vault, vault: {address: 'https://vault:8200', mount: kv/}"), "spec.credentials.vault.mount", "should match"),
        new("two CAs of Vault", Credentials("source: Vault, vault: {address: 'https://vault:8200', caSecret: a, caConfigMap: b}"), "spec.credentials.vault", "give caSecret or caConfigMap, not both"),
        new("passwords that change every minute", Credentials("rotation: {interval: 30m}"), "spec.credentials.rotation.interval", "should match"),
        new("interval of nothing", Credentials("rotation: {interval: 0d}"), "spec.credentials.rotation.interval", "should match"),
        new("overlap of seconds", Credentials("rotation: {overlap: 30s}"), "spec.credentials.rotation.overlap", "should match"),
        new("overlap as long as the interval", Credentials("rotation: {interval: 2d, overlap: 48h}"), "spec.credentials.rotation.overlap", LongOverlap),
        new("overlap longer than the interval in another unit", Credentials("rotation: {interval: 1w, overlap: 8d}"), "spec.credentials.rotation.overlap", LongOverlap),
        new("default overlap with an interval as short", Credentials("rotation: {interval: 1h}"), "spec.credentials.rotation.overlap", LongOverlap),
        new("window with seconds", Maintenance("cron: '0 0 2 * * *', duration: 2h"), "spec.maintenance.windows[0].cron", "should match"),
        new("window without a duration", Maintenance("cron: '0 2 * * *'"), "spec.maintenance.windows[0].duration", "Required value"),
        new("window of days", Maintenance("cron: '0 2 * * *', duration: 2d"), "spec.maintenance.windows[0].duration", "should match"),
        new("window in a zone that is no name", Maintenance("cron: '0 2 * * *', duration: 2h, timeZone: '+02:00'"), "spec.maintenance.windows[0].timeZone", "should match"),
        new("issuerRef without cert-manager", Tls("issuerRef: {name: corporate}"), "spec.tls.issuerRef", "issuerRef belongs to issuer CertManager, which needs it"),
        new("cert-manager without issuerRef", Tls("issuer: CertManager"), "spec.tls.issuerRef", "issuerRef belongs to issuer CertManager, which needs it"),
        new("vault without Vault", Tls("vault: {pkiRole: db}"), "spec.tls.vault", "vault belongs to issuer Vault, which needs it"),
        new("Vault without vault", Tls("issuer: Vault"), "spec.tls.vault", "vault belongs to issuer Vault, which needs it"),
        new("Vault that nobody names", Tls("issuer: Vault, vault: {pkiRole: db}"), "spec.tls.vault.address", "tls.vault.address is needed where spec.credentials.vault names no Vault"),
        new("Vault that signs over http", Tls("issuer: Vault, vault: {pkiRole: db, address: 'http://vault.vault:8200'}"), "spec.tls.vault.address", VaultOverHttp),
        new("Vault that signs without a role", Tls("issuer: Vault, vault: {address: 'https://vault:8200'}"), "spec.tls.vault.pkiRole", "Required value"),
        new("role of Vault's PKI that is a path", Tls("issuer: Vault, vault: {pkiRole: a/b, address: 'https://vault:8200'}"), "spec.tls.vault.pkiRole", "should match"),
        new("mount of Vault's PKI that goes up", Tls("issuer: Vault, vault: {pkiRole: db, mount: ../sys, address: 'https://vault:8200'}"), "spec.tls.vault.mount", "should match"),
        new("login to a Vault that is not given", Tls("issuer: Vault, vault: {pkiRole: db, namespace: ns1}"), "spec.tls.vault.address", "namespace, role, authMount, caSecret and caConfigMap belong to address; without it the Vault of spec.credentials.vault is used as it is given there"),
        new("two CAs of the Vault that signs", Tls("issuer: Vault, vault: {pkiRole: db, address: 'https://vault:8200', caSecret: a, caConfigMap: b}"), "spec.tls.vault", "give caSecret or caConfigMap, not both"),
        new("unknown issuer", Tls("issuer: Somebody"), "spec.tls.issuer", "supported values: \"Operator\", \"CertManager\", \"Vault\""),
        new("version of TLS that nobody should speak", Tls("minimumVersion: '1.1'"), "spec.tls.minimumVersion", "supported values: \"1.2\", \"1.3\""),
        new("paused as text", "{tier: Development, paused: 'yes', engines: {redis: {}}}", "spec.paused", "must be of type boolean"),
        new("unknown version of PostgreSQL", Postgres("version: '9.6'"), "spec.engines.postgres.version", "Unsupported value: \"9.6\""),
        new("version as number", Postgres("version: 15"), "spec.engines.postgres.version", "must be of type string"),
        new("unknown version of Redis", Redis("version: '3.2'"), "spec.engines.redis.version", "Unsupported value: \"3.2\""),
        new("unknown synchronous", Postgres("synchronous: Sometimes"), "spec.engines.postgres.synchronous", "supported values: \"Disabled\", \"Enabled\", \"Quorum\""),
        new("unknown mode", Redis("mode: Ring"), "spec.engines.redis.mode", "supported values: \"Standalone\", \"Sentinel\", \"Cluster\""),
        new("unknown eviction", Redis("maxmemoryPolicy: sometimes"), "spec.engines.redis.maxmemoryPolicy", "supported values: \"noeviction\", \"allkeys-lru\""),
        new("parameter of Redis as number", Redis("parameters: {timeout: 300}"), "spec.engines.redis.parameters.timeout", "must be of type string"),
        new("parameter of Redis with a very long value", Redis($"parameters: {{notify-keyspace-events: {new string('K', 129)}}}"), "spec.engines.redis.parameters.notify-keyspace-events", "may not be more than 128"),
        new("too many parameters of Redis", Redis($"parameters: {{{string.Join(", ", Enumerable.Range(0, 65).Select(number => $"x{number}: '1'"))}}}"), "spec.engines.redis.parameters", "must have at most 64 items"),
        new("instances of a Redis cluster", Redis("mode: Cluster, instances: 3"), "spec.engines.redis.instances", "engines.redis.instances does not apply in mode Cluster; set masters and replicasPerMaster"),
        new("masters without mode Cluster", Redis("mode: Sentinel, masters: 3"), "spec.engines.redis.masters", "engines.redis.masters and replicasPerMaster need mode Cluster"),
        new("user of the operator in Redis", Redis("users: [{name: admin}]"), "spec.engines.redis.users", "engines.redis.users: default, admin, replica, sentinel, migrate, app, monitor and backup are reserved"),
        new("role of the operator", Postgres("roles: [{name: standby}]"), "spec.engines.postgres.roles[0].name", "postgres, standby, rewind, app, monitor, backup, pooler, pooler_lookup, public, none and names in pg_ are taken; choose another name"),
        new("database of the server", Postgres("databases: [{name: template1}]"), "spec.engines.postgres.databases[0].name", "postgres, template0, template1 and names in pg_ are the server's own; choose another name"),
        new("no instance of PostgreSQL", Postgres("instances: 0"), "spec.engines.postgres.instances", "should be greater than or equal to 1"),
        new("too many instances of PostgreSQL", Postgres("instances: 10"), "spec.engines.postgres.instances", "should be less than or equal to 9"),
        new("parameter as number", Postgres("parameters: {max_connections: 200}"), "spec.engines.postgres.parameters.max_connections", "must be of type string"),
        new("parameter with a very long value", Postgres($"parameters: {{search_path: {new string('a', 257)}}}"), "spec.engines.postgres.parameters.search_path", "may not be more than 256"),
        new("role of the server", Postgres("roles: [{name: pg_monitor}]"), "spec.engines.postgres.roles[0].name", "names in pg_ are taken; choose another name"),
        new("login of Vault without a role", Postgres("roles: [{name: clerk, vault: {}}]"), "spec.engines.postgres.roles[0].vault", "give staticRole or dynamicRole, one of the two"),
        new("login of Vault with two roles", Postgres("roles: [{name: clerk, vault: {staticRole: a.b, dynamicRole: a.b}}]"), "spec.engines.postgres.roles[0].vault", "give staticRole or dynamicRole, one of the two"),
        new("login of Vault for a role that may not log in", Postgres("roles: [{name: clerk, login: false, vault: {staticRole: a.b}}]"), "spec.engines.postgres.roles[0].vault", "vault belongs to a role that may log in"),
        new("role of Vault that is a path", Postgres("roles: [{name: clerk, vault: {staticRole: a/b}}]"), "spec.engines.postgres.roles[0].vault.staticRole", "should match"),
        new("login of Vault for Neo4j, for which it has no plugin", Engines("neo4j: {users: [{name: clerk, vault: {staticRole: a.b}}]}"), "", "unknown field \"spec.engines.neo4j.users[0].vault\"", Code: 400),
        new("login of Vault without a role for MongoDB", Engines("mongodb: {users: [{name: clerk, roles: [{role: read, database: a}], vault: {}}]}"), "spec.engines.mongodb.users[0].vault", "give staticRole or dynamicRole, one of the two"),
        new("login of Vault for InfluxDB 2", InfluxDb("users: [{name: clerk, grants: [], vault: {staticRole: a.b}}]"), "spec.engines.influxdb.users", "engines.influxdb.users[].vault belongs to version 1.x; a server of 2.x issues tokens"),
        new("login of Vault without a role for InfluxDB", InfluxDb("version: '1.6', users: [{name: clerk, grants: [], vault: {}}]"), "spec.engines.influxdb.users[0].vault", "give staticRole or dynamicRole, one of the two"),
        new("login of Vault without a role for Redis", Redis("users: [{name: clerk, vault: {}}]"), "spec.engines.redis.users[0].vault", "give staticRole or dynamicRole, one of the two"),
        new("grants of users that Vault makes in InfluxDB", InfluxDb("version: '1.6', users: [{name: clerk, grants: [{database: app}], vault: {dynamicRole: a.b}}]"), "spec.engines.influxdb.users[0].grants", "with dynamicRole write grants: [], and what its users may do into Vault's creation statements: InfluxDB has no groups"),
        new("rules of users that Vault makes in Redis", Redis("users: [{name: clerk, keys: ['a:*'], vault: {dynamicRole: a.b}}]"), "spec.engines.redis.users[0].vault", "with dynamicRole write what its users may do into Vault's creation statements, not here: Redis has no groups"),
        new("role in capitals", Postgres("roles: [{name: Clerk}]"), "spec.engines.postgres.roles[0].name", "should match"),
        new("role declared twice", Postgres("roles: [{name: clerk}, {name: clerk}]"), "spec.engines.postgres.roles[1]", "Duplicate value"),
        new("negative connection limit", Postgres("roles: [{name: clerk, connectionLimit: -1}]"), "spec.engines.postgres.roles[0].connectionLimit", "should be greater than or equal to 0"),
        new("extension that is no name", Postgres("databases: [{name: ledger, extensions: ['a;b']}]"), "spec.engines.postgres.databases[0].extensions[0]", "should match"),
        new("pooler without connections", Postgres("pooler: {poolSize: 0}"), "spec.engines.postgres.pooler.poolSize", "should be greater than or equal to 1"),
        new("half an instance", Postgres("instances: 1.5"), "spec.engines.postgres.instances", "must be of type int32"),
        new("no instance of Redis", Redis("instances: 0"), "spec.engines.redis.instances", "should be greater than or equal to 1"),
        new("too many instances of Redis", Redis("instances: 10"), "spec.engines.redis.instances", "should be less than or equal to 9"),
        new("one Sentinel", Redis("mode: Sentinel, instances: 1"), "spec.engines.redis.instances", Odd),
        new("two Sentinels", Redis("mode: Sentinel, instances: 2"), "spec.engines.redis.instances", Odd),
        new("four Sentinels", Redis("mode: Sentinel, instances: 4"), "spec.engines.redis.instances", Odd),
        new("three standalone servers", Redis("mode: Standalone, instances: 3"), "spec.engines.redis.instances", One),
        new("name of 41 characters", Redis(""), "<nil>", LongName, Name: "a" + new string('b', 40)),
        new("name that starts with a digit", Redis(""), "<nil>", FirstLetter, Name: "1st"),
        new("name with a dot", Redis(""), "<nil>", FirstLetter, Name: "pay.ments"),
        new("name in capitals", Redis(""), "metadata.name", "lowercase RFC 1123 subdomain", Name: "Payments"),
        new("two servers of InfluxDB 1.x", InfluxDb("version: '1.6', instances: 2"), "spec.engines.influxdb.instances", "engines.influxdb.instances must be 1 for version 1.x, which cannot replicate; choose version 2.7 for a second instance"),
        new("three servers of InfluxDB", InfluxDb("instances: 3"), "spec.engines.influxdb.instances", "should be less than or equal to 2"),
        new("organisation of InfluxDB 1.x", InfluxDb("version: '1.6', organization: a"), "spec.engines.influxdb.organization", "engines.influxdb.organization belongs to version 2.x; remove it"),
        new("retention policies of a bucket", InfluxDb("databases: [{name: a, retentionPolicies: [{name: b}]}]"), "spec.engines.influxdb.databases", "engines.influxdb.databases[].retentionPolicies belong to version 1.x; a bucket of 2.x has one retention: declare one database for each"),
        new("version of InfluxDB changed", InfluxDb("version: '2.7'"), "spec.engines.influxdb.version", "engines.influxdb.version cannot be changed in place: 1.x and 2.x keep data differently; create a new stack with the new version and restore into it", InfluxDb("version: '1.6'")),
        new("InfluxDB: storage shrunk", InfluxDb("storage: {size: 1Gi}"), "spec.engines.influxdb.storage", Shrink, InfluxDb("storage: {size: 2Gi}")),
        new("InfluxDB: class changed", InfluxDb("storage: {class: slow}"), "spec.engines.influxdb.storage.class", Class, InfluxDb("storage: {class: fast}")),
        new("organisation changed", InfluxDb("organization: b"), "spec.engines.influxdb.organization", "engines.influxdb.organization cannot be changed: it is made once, at setup; create a new stack and restore into it", InfluxDb("organization: a")),
        new("organisation removed", InfluxDb(""), "spec.engines.influxdb.organization", "engines.influxdb.organization cannot be changed: it is made once, at setup; create a new stack and restore into it", InfluxDb("organization: a")),
        new("database of InfluxDB's own", InfluxDb("databases: [{name: _internal}]"), "spec.engines.influxdb.databases[0].name", "should match"),
        new("database twice", InfluxDb("databases: [{name: a}, {name: a}]"), "spec.engines.influxdb.databases[1]", "Duplicate value"),
        new("retention of minutes", InfluxDb("databases: [{name: a, retention: 30m}]"), "spec.engines.influxdb.databases[0].retention", "should match"),
        new("user of the operator", InfluxDb("users: [{name: admin, grants: [{database: app}]}]"), "spec.engines.influxdb.users[0].name", "admin, app, monitor, backup and replication are the operator's own users; choose another name"),
        new("user without grants", InfluxDb("users: [{name: a}]"), "spec.engines.influxdb.users[0].grants", "Required value"),
        new("unknown aggregate", InfluxDb("downsampling: [{name: a, source: app, target: b, every: 1h, function: Mode}]"), "spec.engines.influxdb.downsampling[0].function", "Unsupported value"),
        .. Both("storage: {size: 1.5Gi}", "storage.size", "should match", "fractional size"),
        .. Both("storage: {size: 10GB}", "storage.size", "should match", "size in GB"),
        .. Both("storage: {size: -1Gi}", "storage.size", "should match", "negative size"),
        .. Both("storage: {size: 0Gi}", "storage.size", "should match", "size of nothing"),
        .. Both("storage: {size: 10}", "storage.size", "must be of type string", "size as number"),
        .. Both("resources: {cpu: 0.5}", "resources.cpu", "must be of type string", "CPU as number"),
        .. Both("resources: {cpu: '0.5'}", "resources.cpu", "should match", "fractional CPU"),
        .. Both("resources: {cpu: 500k}", "resources.cpu", "should match", "CPU in thousands"),
        .. Both("resources: {memory: 512M}", "resources.memory", "should match", "memory in M"),
        .. Both("resources: {memory: 1Ti}", "resources.memory", "should match", "memory in Ti"),
        .. Both("storage: {size: 1Gi}", "storage", Shrink, "storage shrunk", "storage: {size: 2Gi}"),
        .. Both("storage: {size: 1023Gi}", "storage", Shrink, "storage shrunk across units", "storage: {size: 1Ti}"),
        .. Both("storage: {size: 1023Mi}", "storage", Shrink, "storage shrunk to Mi", "storage: {size: 1Gi}"),
        .. Both("storage: {class: fast}", "storage", Shrink, "size removed", "storage: {class: fast, size: 2Gi}"),
        .. Both("storage: {class: slow}", "storage.class", Class, "class changed", "storage: {class: fast}"),
        .. Both("storage: {size: 2Gi, class: fast}", "storage.class", Class, "class added", "storage: {size: 2Gi}"),
        .. Both("storage: {size: 2Gi}", "storage.class", Class, "class removed", "storage: {size: 2Gi, class: fast}"),
        .. Both("storage: {class: fast}", "storage.class", Class, "class added with all of storage", ""),
        .. Both("", "storage.class", Class, "class removed with all of storage", "storage: {class: fast}"),
        new("version of PostgreSQL changed", Postgres("version: '16'"), "spec.engines.postgres.version", "engines.postgres.version cannot be changed in place: a major upgrade rewrites the data; create a new stack with the new version and restore into it", Postgres("version: '15'")),
        new("mode changed", Redis("mode: Standalone"), "spec.engines.redis.mode", Mode, Redis("mode: Sentinel")),
        new("mode removed", Redis(""), "spec.engines.redis.mode", Mode, Redis("mode: Standalone")),
        new("mode added", Redis("mode: Sentinel"), "spec.engines.redis.mode", Mode, Redis("")),
        .. PodRows.All,
        .. BackupRows.All,
        .. Neo4j.Neo4jRows.All,
        .. MongoDb.MongoDbRows.All,
    ];

    /// <summary>Updates that must be accepted: title, spec before, spec after.</summary>
    public static IReadOnlyList<(string Title, string Before, string After)> Allowed { get; } =
    [
        ("grown across units", Postgres("storage: {size: 1023Mi}"), Postgres("storage: {size: 1Gi}")),
        ("the same in another unit", Redis("storage: {size: 1024Gi}"), Redis("storage: {size: 1Ti}")),
        ("largest size", Redis("storage: {size: 1Mi}"), Redis("storage: {size: 9999999Ti}")),
        ("roles and databases of PostgreSQL", Postgres(""), Postgres("roles: [{name: staff, login: false}, {name: clerk, connectionLimit: 5, inRoles: [staff]}], databases: [{name: ledger, owner: clerk, extensions: [pgcrypto]}]")),
        ("pooler comes and goes", Postgres("pooler: {instances: 2, poolSize: 5, maxClients: 100}"), Postgres("pooler: {instances: 0}")),
        ("parameters come and go", Postgres("parameters: {max_connections: '200'}"), Postgres("parameters: {work_mem: 8MB}")),
        ("more instances", Postgres("instances: 1"), Postgres("instances: 9")),
        ("fewer Sentinels", Redis("mode: Sentinel, instances: 5"), Redis("mode: Sentinel, instances: 3")),
        ("storage added without a class", Redis(""), Redis("storage: {size: 2Gi}")),
        ("engine added", Redis("mode: Standalone"), Engines("redis: {mode: Standalone}, postgres: {}")),
        ("more databases, users and downsampling", InfluxDb(""), InfluxDb("databases: [{name: a, retention: 7y}], users: [{name: b, grants: [{database: a, access: ReadWrite}]}], downsampling: [{name: c, source: app, target: a, every: 1h}]")),
        ("passwords go to a Vault and come back", Redis(""), Credentials("source: Vault, vault: {address: 'https://vault.vault:8200', path: dbs/default/payments}")),
        ("a Vault on this machine", Credentials("source: Generated"), Credentials("source: Vault, vault: {address: 'http://127.0.0.1:8200', caConfigMap: ca}")),
        ("a Vault on this machine, by IPv6", Redis(""), Credentials("source: Vault, vault: {address: 'http://[::1]:8200'}")),
        ("Vault gives logins", Postgres(""), "{tier: Development, credentials: {source: Vault, vault: {address: 'https://vault:8200', databaseMount: db/eu}}, engines: {postgres: {roles: [{name: clerk, vault: {staticRole: default.clerk}}, {name: readers, vault: {dynamicRole: default.readers}}]}}}"),
        ("Vault signs", Redis(""), Tls("issuer: Vault, vault: {pkiRole: db, address: 'https://vault.vault:8200', caSecret: vault-ca}")),
        ("Vault signs where it holds the passwords", Redis(""), "{tier: Development, credentials: {source: Vault, vault: {address: 'https://vault.vault:8200'}}, tls: {issuer: Vault, vault: {pkiRole: db, mount: pki_int}}, engines: {redis: {}}}"),
        ("engine removed", Engines("redis: {mode: Standalone}, postgres: {}"), Postgres("")),
        ("tier raised", Redis("mode: Sentinel"), "{tier: Production, engines: {redis: {mode: Sentinel}}}"),
        .. PodRows.Allowed,
        .. BackupRows.Allowed,
        .. MongoDb.MongoDbRows.Allowed,
    ];

    private static string Engines(string engines) => $"{{tier: Development, engines: {{{engines}}}}}";

    private static string Postgres(string settings) => Engines($"postgres: {{{settings}}}");

    private static string InfluxDb(string settings) => Engines($"influxdb: {{{settings}}}");

    private static string Credentials(string settings) => $"{{tier: Development, credentials: {{{settings}}}, engines: {{redis: {{}}}}}}";

    private static string Maintenance(string settings) => $"{{tier: Development, maintenance: {{windows: [{{{settings}}}]}}, engines: {{redis: {{}}}}}}";

    private static string Tls(string settings) => $"{{tier: Development, engines: {{redis: {{}}}}, tls: {{{settings}}}}}";

    private static string Redis(string settings) => Engines($"redis: {{{settings}}}");

    private static IEnumerable<RefusedStack> Both(string settings, string field, string message, string title, string? before = null) =>
    [
        new($"PostgreSQL: {title}", Postgres(settings), $"spec.engines.postgres.{field}", message, before is null ? null : Postgres(before)),
        new($"Redis: {title}", Redis(settings), $"spec.engines.redis.{field}", message, before is null ? null : Redis(before)),
    ];
}
