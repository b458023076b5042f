using Dora.Api;

namespace Dora.Integration.Tests.Crds;

/// <summary>Every bad input of backups and restores that the schema or its CEL rules can catch.</summary>
internal static class BackupRows
{
    private const string Store = "destination: {endpoint: 'https://s3.example', bucket: backups, credentialsSecret: store}";
    private const string Keys = "encryption: {keySecret: keys}";
    private const string Elsewhere = "destination: {endpoint: 'https://s3.example', bucket: copies, prefix: eu, credentialsSecret: other}";
    private const string OnePlace = "two places of backups have the same endpoint, bucket and prefix: give each copy another";
    private const string OverHttp = "endpoint must begin with https://: over http everybody on the way reads the names of the backups and may change answers; insecure: true permits it";
    private const string OneKey = "give keySecret or vault, one of the two";
    private const string OneAuthority = "give caSecret or caConfigMap, not both";
    private const string VaultOverHttp = "address must begin with https://: over http everybody on the way reads the token and the passwords";
    private const string KeepsNothing = "these rules would keep nothing: give last, hourly, daily, weekly, monthly or yearly, or leave keep out to keep everything";
    private const string FixedBackup = "a backup's spec cannot be changed: create another ComplianceBackup";
    private const string FixedRestore = "a restore's spec cannot be changed: create another ComplianceRestore";
    private const string Confirm = "a restore in place replaces the data of the stack: give its name in confirm";
    private const string NewStack = "stack is needed with mode NewStack, and belongs to no other mode";

    public static IReadOnlyList<RefusedStack> All { get; } =
    [
        Stack("a store over http", $"destination: {{endpoint: 'http://s3.example', bucket: backups, credentialsSecret: store}}, {Keys}", "destination.endpoint", OverHttp),
        Stack("a store that is no address", $"destination: {{endpoint: s3.example, bucket: backups, credentialsSecret: store}}, {Keys}", "destination.endpoint", "should match"),
        Stack("two authorities of a store", $"destination: {{endpoint: 'https://s3.example', bucket: backups, credentialsSecret: store, caSecret: a, caConfigMap: b}}, {Keys}", "destination", OneAuthority),
        Stack("a bucket that none can be called", $"destination: {{endpoint: 'https://s3.example', bucket: Backups, credentialsSecret: store}}, {Keys}", "destination.bucket", "should match"),
        Stack("a prefix with a slash at its end", $"destination: {{endpoint: 'https://s3.example', bucket: backups, prefix: eu/, credentialsSecret: store}}, {Keys}", "destination.prefix", "should match"),
        Stack("a store without credentials", $"destination: {{endpoint: 'https://s3.example', bucket: backups}}, {Keys}", "destination.credentialsSecret", "Required value"),
        Stack("a lock of no day", $"destination: {{endpoint: 'https://s3.example', bucket: backups, credentialsSecret: store, lock: {{mode: Compliance, days: 0}}}}, {Keys}", "destination.lock.days", "should be greater than or equal to 1"),
        Stack("backups that nothing seals", Store, "encryption", "Required value"),
        Stack("no key", $"{Store}, encryption: {{}}", "encryption", OneKey),
        Stack("two keys", $"{Store}, encryption: {{keySecret: keys, vault: {{key: default.backups, role: backup}}}}", "encryption", OneKey),
        Stack("a key of a Vault over http", $"{Store}, encryption: {{vault: {{key: default.backups, role: backup, address: 'http://vault:8200'}}}}", "encryption.vault.address", VaultOverHttp),
        Stack("a schedule with seconds", $"{Store}, {Keys}, schedules: [{{name: nightly, cron: '0 0 2 * * *'}}]", "schedules[0].cron", "should match"),
        Stack("a schedule in a zone that is no name", $"{Store}, {Keys}, schedules: [{{name: nightly, cron: '0 2 * * *', timeZone: '+02:00'}}]", "schedules[0].timeZone", "should match"),
        Stack("a schedule of an unknown type", $"{Store}, {Keys}, schedules: [{{name: nightly, cron: '0 2 * * *', type: Differential}}]", "schedules[0].type", "supported values"),
        Stack("a deadline that is no duration", $"{Store}, {Keys}, schedules: [{{name: nightly, cron: '0 2 * * *', deadline: soon}}]", "schedules[0].deadline", "should match"),
        Stack("rules that keep nothing", $"{Store}, {Keys}, keep: {{last: 0}}", "keep", KeepsNothing),
        Stack("a copy in the first place", $"{Store}, {Keys}, copies: [{{name: abroad, destination: {{endpoint: 'https://s3.example', bucket: backups, credentialsSecret: other}}}}]", "copies", OnePlace),
        Stack("two copies in one place", $"{Store}, {Keys}, copies: [{{name: a, {Elsewhere}}}, {{name: b, {Elsewhere}}}]", "copies", OnePlace),
        Stack("two copies of one name", $"{Store}, {Keys}, copies: [{{name: a, {Elsewhere}}}, {{name: a, destination: {{endpoint: 'https://s3.other', bucket: copies, credentialsSecret: other}}}}]", "copies[1]", "Duplicate value"),
        Stack("a copy over http", $"{Store}, {Keys}, copies: [{{name: abroad, destination: {{endpoint: 'http://s3.example', bucket: copies, credentialsSecret: other}}}}]", "copies[0].destination.endpoint", OverHttp),
        Stack("two authorities of a copy's store", $"{Store}, {Keys}, copies: [{{name: abroad, destination: {{endpoint: 'https://s3.example', bucket: copies, credentialsSecret: other, caSecret: a, caConfigMap: b}}}}]", "copies[0].destination", OneAuthority),
        Stack("a copy that keeps nothing", $"{Store}, {Keys}, copies: [{{name: abroad, {Elsewhere}, keep: {{last: 0}}}}]", "copies[0].keep", KeepsNothing),
        Stack("a copy whose name is none", $"{Store}, {Keys}, copies: [{{name: Abroad, {Elsewhere}}}]", "copies[0].name", "should match"),
        Stack("more copies than anybody makes", $"{Store}, {Keys}, copies: [{{name: a, {Elsewhere}}}, {{name: b, {Elsewhere}}}, {{name: c, {Elsewhere}}}, {{name: d, {Elsewhere}}}]", "copies", "must have at most 3 items"),
        Stack("a drill without a time", $"{Store}, {Keys}, drills: {{}}", "drills.cron", "Required value"),
        Stack("a folder of nobody", $"{Store}, {Keys}, adopt: ''", "adopt", "should match"),
        Backup("a found backup without an ID", "{stack: payments, engine: redis, found: {}}", "spec.found.id", "Required value"),
        Backup("an ID that is none", "{stack: payments, engine: redis, found: {id: ../stack}}", "spec.found.id", "should match"),
        Backup("another ID for a found backup", "{stack: payments, engine: redis, found: {id: 20261121t030000z-a1b2c3}}", "spec", FixedBackup, "{stack: payments, engine: redis, found: {id: 20261121t040000z-a1b2c3}}"),
        Backup("a backup without an engine", "{stack: payments}", "spec.engine", "Required value"),
        Backup("a backup of an unknown type", "{stack: payments, engine: redis, type: Some}", "spec.type", "supported values"),
        Backup("parts of what is no dump", "{stack: payments, engine: postgres, parts: Schema}", "spec.parts", ComplianceBackupSpec.PartsOfDump),
        Backup("parts that none knows", "{stack: payments, engine: postgres, type: Dump, parts: Some}", "spec.parts", "supported values"),
        Backup("one database of what holds all", "{stack: payments, engine: postgres, type: Full, database: app}", "spec.database", ComplianceBackupSpec.DatabaseOfDump),
        Backup("another engine for a backup", "{stack: payments, engine: redis}", "spec", FixedBackup, "{stack: payments, engine: postgres}"),
        Restore("a restore in place that nobody confirmed", "{stack: payments, engine: redis, source: {}, target: {mode: InPlace}}", "spec.target.confirm", Confirm),
        Restore("a new stack without a name", "{stack: payments, engine: redis, source: {}, target: {mode: NewStack}}", "spec.target", NewStack),
        Restore("a drill into a stack", "{stack: payments, engine: redis, source: {}, target: {mode: Drill, stack: other}}", "spec.target", NewStack),
        Restore("a restore to no time", "{stack: payments, engine: redis, source: {pointInTime: yesterday}, target: {mode: Drill}}", "spec.source.pointInTime", "must be of type date-time"),
        Restore("two points to restore to", "{stack: payments, engine: postgres, source: {pointInTime: '2026-11-21T14:05:00Z', lsn: 0/3000148}, target: {mode: Drill}}", "spec.source", RestoreSource.OnePoint),
        Restore("a position that is none", "{stack: payments, engine: postgres, source: {lsn: '12'}, target: {mode: Drill}}", "spec.source.lsn", "should match"),
        Restore("a restore point that would need quotes", "{stack: payments, engine: postgres, source: {restorePoint: it's}, target: {mode: Drill}}", "spec.source.restorePoint", "should match"),
        Restore("just before a name", "{stack: payments, engine: postgres, source: {restorePoint: migration, exclusive: true}, target: {mode: Drill}}", "spec.source.exclusive", RestoreSource.ExclusiveOfWhat),
        Restore("a position in the log of an engine that has none", "{stack: payments, engine: redis, source: {lsn: 0/3000148}, target: {mode: Drill}}", "spec.source", RestoreSource.OnlyPostgres),
        Restore("a database that nobody named", "{stack: payments, engine: postgres, source: {backup: dump}, target: {mode: Database}}", "spec.target", RestoreTarget.NamedDatabase),
        Restore("a drill into a database", "{stack: payments, engine: postgres, source: {}, target: {mode: Drill, database: copy}}", "spec.target", RestoreTarget.NamedDatabase),
        Restore("a database from the newest backup", "{stack: payments, engine: postgres, source: {}, target: {mode: Database, database: copy}}", "spec.target.mode", RestoreTarget.DatabaseFromDump),
        Restore("a database of an engine that has none", "{stack: payments, engine: redis, source: {backup: dump}, target: {mode: Database, database: copy}}", "spec.target.mode", RestoreTarget.DatabaseFromDump),
        Restore("another source for a restore", "{stack: payments, engine: redis, source: {}, target: {mode: Drill}}", "spec", FixedRestore, "{stack: payments, engine: redis, source: {backup: a}, target: {mode: Drill}}"),
    ];

    /// <summary>Updates that must be accepted: title, spec before, spec after.</summary>
    public static IReadOnlyList<(string Title, string Before, string After)> Allowed { get; } =
    [
        ("backups come and go", Spec($"{Store}, {Keys}, schedules: [{{name: nightly, cron: '30 2 * * *', timeZone: Europe/Berlin}}], objectives: [{{engine: redis, rpo: 24h, rto: 1h30m}}], keep: {{last: 3, yearly: 7}}, drills: {{cron: '0 4 * * 6', checks: [{{name: orders, engine: redis, query: GET orders, expect: '7'}}]}}"), "{tier: Development, engines: {redis: {}}}"),
        ("a key of Vault takes the place of a Secret's", Spec($"{Store}, {Keys}"), Spec($"{Store}, encryption: {{vault: {{key: default.backups, role: backup, address: 'https://vault.vault:8200'}}}}")),
        ("copies come and go", Spec($"{Store}, {Keys}, copies: [{{name: abroad, {Elsewhere}, keep: {{last: 9}}}}, {{name: safe, destination: {{endpoint: 'https://s3.other', bucket: copies, prefix: eu, credentialsSecret: other}}}}]"), Spec($"{Store}, {Keys}")),
        ("a store over http that is permitted", Spec($"{Store}, {Keys}"), Spec($"destination: {{endpoint: 'http://s3.example:9000', bucket: backups, credentialsSecret: store, insecure: true}}, {Keys}")),
    ];

    private static string Spec(string backup) => $"{{tier: Development, engines: {{redis: {{}}}}, backup: {{{backup}}}}}";

    private static RefusedStack Stack(string title, string backup, string field, string message) => new(title, Spec(backup), $"spec.backup.{field}", message);

    private static RefusedStack Backup(string title, string spec, string field, string message, string? before = null) => new(title, spec, field, message, before) { Kind = "ComplianceBackup" };

    private static RefusedStack Restore(string title, string spec, string field, string message, string? before = null) => new(title, spec, field, message, before) { Kind = "ComplianceRestore" };
}
