using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.Postgres;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Postgres;

/// <summary>What <c>spec.backup</c> makes of PostgreSQL, and what its runs are told.</summary>
public sealed class PostgresBackupTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    private static readonly BackupSettings Settings = new(
        new("https://s3.example:9000", "backups", "store-login", "eu", "eu-central-1", CaConfigMap: "store-roots"), new("backup-keys"), Keep: new(Last: 3, Daily: 7, Weekly: 4));

    [Fact]
    public void Objects_with_backups_are_as_in_the_golden_file() => GoldenFile.Matches(
        KubeYaml.WriteAll(Render(Settings).Select(manifest => manifest.Body)), "tests/Dora.Engines.Tests/Golden/postgres-backup-Production.yaml");

    [Fact]
    public void A_stack_without_backups_has_nothing_of_them()
    {
        Assert.Empty(Bind(null).Backups);
        Assert.DoesNotContain("pgbackrest", Text(Render(null)), StringComparison.Ordinal);
        Assert.DoesNotContain("archive_", Text(Render(null)), StringComparison.Ordinal);
    }

    [Fact]
    public void Pods_of_the_stack_version_that_is_released_are_as_they_were()
    {
        var (with, without) = (Stack(Settings, StackVersions.V202611), Stack(null, StackVersions.V202611));
        Assert.Equal(Workload(Engines.Bind("postgres", "{}", without)), Workload(Engines.Bind("postgres", "{}", with)));
        Assert.Equal([PostgresBackups.Logical], Engines.Bind("postgres", "{}", with).Backups.Select(tool => tool.Content));
    }

    [Fact]
    public void No_secret_is_in_a_configuration_or_an_argument_or_a_value()
    {
        var tool = Physical();
        var dump = Bind(Settings).Backups.Single(other => other.Content == PostgresBackups.Logical);
        foreach (var container in (ToolContainer[])[tool.Copy(new("host", BackupType.Full)), LayDown(drill: false), tool.Inspect!(new(Drill: false, new Dictionary<string, string>())), dump.Copy(new("host", BackupType.Dump)), dump.LayDown(new(Drill: false, new Dictionary<string, string>()))])
        {
            Assert.DoesNotContain(container.Files.Values, file => file.Contains("repo1-s3-key=", StringComparison.Ordinal) || file.Contains("cipher-pass=", StringComparison.Ordinal));
            Assert.All(container.Environment, variable => Assert.True(variable.Value is null || !variable.Name.EndsWith("PASSWORD", StringComparison.Ordinal), variable.Name));
        }
    }

    [Fact]
    public void A_restore_sets_the_servers_own_passwords_and_a_drill_none()
    {
        Assert.Equal(["SUPERUSER_PASSWORD", "REPLICATION_USERNAME", "REPLICATION_PASSWORD", "REWIND_USERNAME", "REWIND_PASSWORD", "APP_USERNAME", "APP_PASSWORD"], LayDown(drill: false).Environment.Select(variable => variable.Name));
        Assert.Empty(LayDown(drill: true).Environment);
    }

    [Fact]
    public void A_point_in_time_is_told_in_UTC_to_the_microsecond() =>
        Assert.Contains(new EnvVar("TARGET", "2026-11-21T12:00:00.123456Z"), LayDown(drill: true, new DateTimeOffset(2026, 11, 21, 14, 0, 0, TimeSpan.FromHours(2)).AddTicks(1_234_560)).Environment);

    [Theory]
    [InlineData(BackupType.Full, "full")]
    [InlineData(BackupType.Incremental, "incr")]
    public void A_run_asks_every_member_and_keeps_what_any_rule_wants(BackupType type, string asked)
    {
        var copy = Physical().Copy(new("host", type));
        Assert.Equal([("TYPE", asked), ("STANDBY", "1"), ("KEEP_LAST", "3"), ("KEEP_DAYS", "28")], copy.Environment.Select(variable => (variable.Name, variable.Value)));
        foreach (var line in (string[])["pg1-host=payments-postgres-0.payments-postgres-members.compliance.svc", "pg3-host=payments-postgres-2.payments-postgres-members.compliance.svc", "repo1-path=/eu/compliance/payments/postgres/pgbackrest", "repo1-s3-endpoint=s3.example", "repo1-storage-port=9000"])
            Assert.Contains(line, copy.Files[PgBackRest.ConfigFile].Split('\n'));
    }

    [Fact]
    public void A_dump_is_loaded_by_the_owner_of_the_database_over_connections_that_are_believed()
    {
        var cluster = Engines.Bind("postgres", """{"roles": [{"name": "reports"}, {"name": "nobody", "login": false}], "databases": [{"name": "copy"}, {"name": "reports", "owner": "reports"}, {"name": "closed", "owner": "nobody"}]}""", Stack(Settings));
        var tool = cluster.Backups.Single(other => other.Content == PostgresBackups.Logical);
        Assert.Equal(["app", "copy", "reports"], tool.Databases);

        var load = tool.Load!(new("host", "reports", new Dictionary<string, string> { ["parts"] = "data" }));
        Assert.Equal(("restore-postgres.sh", "payments-postgres-role-reports"), (load.Script, load.Environment.Single(variable => variable.Name == "PGPASSWORD").ValueFrom!.SecretKeyRef!.Name));
        foreach (var variable in (EnvVar[])[new("ROLE", "reports"), new("PARTS", "data"), new("PGDATABASE", "reports"), new("PGSSLMODE", "verify-full")])
            Assert.Contains(variable, load.Environment);
        Assert.Equal("payments-postgres-app", tool.Load(new("host", "copy", new Dictionary<string, string>())).Environment.Single(variable => variable.Name == "PGPASSWORD").ValueFrom!.SecretKeyRef!.Name);
    }

    [Theory]
    [InlineData(DumpParts.All, "all")]
    [InlineData(DumpParts.Schema, "schema")]
    [InlineData(DumpParts.Data, "data")]
    public void A_dump_is_told_what_of_the_database_it_holds(DumpParts parts, string expected) => Assert.Contains(
        new EnvVar("PARTS", expected), Bind(Settings).Backups.Single(tool => tool.Content == PostgresBackups.Logical).Copy(new("host", BackupType.Dump, "orders", parts)).Environment);

    [Fact]
    public void Without_rules_nothing_expires() =>
        Assert.DoesNotContain(Physical(Settings with { Keep = null }).Copy(new("host", BackupType.Full)).Environment, variable => variable.Name.StartsWith("KEEP", StringComparison.Ordinal));

    [Fact]
    public void Runs_show_a_certificate_that_passes_for_no_server()
    {
        var client = Bind(Settings).Certificates[^1];
        Assert.Equal("payments-postgres-backup-tls", client.SecretName);
        Assert.All(client.DnsNames, name => Assert.StartsWith("payments-postgres-backup", name, StringComparison.Ordinal));
    }

    [Fact]
    public void A_certificate_has_a_name_that_fits_whatever_stack_and_namespace_are_called()
    {
        var stack = Stack(Settings) with { Name = new('s', 40), Namespace = new('n', 63) };
        var config = Text(Engines.Bind("postgres", "{}", stack).Render(EngineObservation.None));
        Assert.Contains($"tls-server-auth={new string('s', 40)}-postgres-backup=main", config, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://s3.example", "keys", null)]
    [InlineData("https://s3.example", null, "spec.backup.encryption")]
    [InlineData("http://s3.example", "keys", "spec.backup.destination.endpoint")]
    [InlineData("https://10.0.0.1:9000", "keys", "spec.backup.destination.endpoint")]
    public void What_pgBackRest_cannot_do_is_refused(string endpoint, string? keys, string? field)
    {
        var settings = Settings with { Destination = Settings.Destination with { Endpoint = endpoint }, Encryption = new(keys, keys is null ? new("compliance.key", "role") : null) };
        Assert.Equal(field is null ? [] : [field], Bind(settings).Validate(EngineObservation.None).Select(violation => violation.Field));
    }

    [Fact]
    public void Elections_begin_anew_with_restored_data() => Assert.Equal(
        ["payments-postgres-config", "payments-postgres-leader", "payments-postgres-sync", "payments-postgres-failover"], Physical().Forget.Select(state => state.Name));

    public static TheoryData<int?, int?, int?, bool> Archivers { get; } = new()
    {
        { -10, null, null, false },
        { -10, -70, null, false },
        { -70, -10, -60, true },
        { null, -10, -60, true },
        // A command that hangs counts no failure.
        { -300, null, -200, true },
        { -300, null, -30, false },
        // Many were written at once, and go one by one.
        { -10, null, -200, false },
    };

    [Theory, MemberData(nameof(Archivers))]
    public void Archiving_fails_when_the_last_try_failed_or_a_file_waits_too_long(int? archived, int? failed, int? waiting, bool failing)
    {
        var health = PostgresArchive.Judge(new(At(archived), At(failed), Noon, At(waiting)), null)!;
        Assert.Equal((At(archived), failing ? At(waiting) : null, failing), (health.Archived, health.Failing, health.Problem is not null));
    }

    [Fact]
    public void Since_when_it_fails_is_remembered_until_it_works()
    {
        var first = PostgresArchive.Judge(new(At(-90), At(-10), Noon, At(-60)), null);
        var second = PostgresArchive.Judge(new(At(-90), At(50), Noon.AddMinutes(1), At(-50)), first);
        Assert.Equal(first!.Failing, second!.Failing);
        Assert.Null(PostgresArchive.Judge(new(At(55), At(50), Noon.AddMinutes(1), null), second)!.Failing);
        Assert.Null(PostgresArchive.Judge(null, second));
    }

    private static DateTimeOffset? At(int? seconds) => seconds is { } offset ? Noon.AddSeconds(offset) : null;

    private static StackContext Stack(BackupSettings? backup, string version = StackVersions.Newest) => Engines.Stack(Tier.Production, version: version) with { Backup = backup };

    private static IEngineCluster Bind(BackupSettings? backup) => Engines.Bind("postgres", "{}", Stack(backup));

    private static BackupTool Physical(BackupSettings? backup = null) => Bind(backup ?? Settings).Backups.Single(tool => tool.Content == PostgresBackups.Physical);

    private static ToolContainer LayDown(bool drill, DateTimeOffset? point = null) => Physical().LayDown(new(drill, new Dictionary<string, string>(), point));

    private static IReadOnlyList<Manifest> Render(BackupSettings? backup) => Bind(backup).Render(EngineObservation.None);

    private static string Text(IEnumerable<Manifest> manifests) => string.Concat(manifests.Select(manifest => manifest.Body.ToJsonString()));

    private static string Workload(IEngineCluster cluster) => cluster.Render(EngineObservation.None)[^1].Body.ToJsonString();
}
