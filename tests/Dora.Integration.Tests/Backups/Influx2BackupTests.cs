using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V2;
using Dora.Engines.Rendering;
using Dora.Testing;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>
/// The scripts of InfluxDB 2.x' backups, with the agent and a real object store. The programs are stand-ins that take nothing but what is documented; with
/// <c>INFLUXDB2_BIN</c>, a folder with influxd and influx, the same tests run on those.
/// </summary>
[Collection(ObjectStoreTests.Name)]
public sealed class Influx2BackupTests(ObjectStoreServer store) : IAsyncLifetime
{
    private const string Id = "20261121t030000z-a1b2c3";
    private const string AdminToken = "token-Xq7m2Lp8Zk3w9Rt5";

    private static readonly InfluxDbPlan Plan = InfluxDbPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Production, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "influxdb"), new(Version: InfluxDbVersion.V27));

    private readonly string folder = Directory.CreateTempSubdirectory("dora-influxdb2-backup-").FullName;
    private readonly string port = FreePort.Next();
    private ChildProcess? source;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string? Real => Environment.GetEnvironmentVariable("INFLUXDB2_BIN");

    private static BackupTool Tool => V2Backup.Tool(Plan);

    private string Target => Path.Combine(folder, "target");

    private (string, string)[] Here => [("PATH", Path.Combine(folder, "bin") + ":" + Environment.GetEnvironmentVariable("PATH"))];

    public async ValueTask InitializeAsync()
    {
        foreach (var name in (string[])["bin", "source", "target"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        foreach (var name in (string[])["influxd", "influx"])
            File.CreateSymbolicLink(Path.Combine(folder, "bin", name), Real is { } real ? Path.Combine(real, name) : Path.Combine(GoldenFile.RepositoryRoot, "tests/Dora.Integration.Tests/Backups/StandIns/influxdb2.js"));
        source = Start("source", port);
        var setUp = $$"""{"username":"admin","password":"password-1","org":"dora","bucket":"app","token":"{{AdminToken}}"}""";
        await ChildProcess.UntilAsync(() => CurlAsync("-d", setUp, $"http://127.0.0.1:{port}/api/v2/setup"), code => code == 0, TimeSpan.FromSeconds(30), Token);
    }

    public async ValueTask DisposeAsync()
    {
        if (source is not null)
            await source.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_was_backed_up_is_on_the_volume_with_users_and_tokens_as_they_were()
    {
        using var backup = await BackedUpAsync();
        using var restore = Run(backup.Bucket);
        Assert.True(await RestoreAsync(restore) == 0, restore.Report.ToJsonString());

        Assert.Equal(("1", "1"), ((string?)backup.Report["facts"]!["count:buckets"], (string?)restore.Report["facts"]!["count:buckets"]));
        var other = FreePort.Next();
        await using var server = Start("target", other);
        await ChildProcess.UntilAsync(() => CurlAsync("-H", $"Authorization: Token {AdminToken}", $"http://127.0.0.1:{other}/api/v2/buckets"), code => code == 0, TimeSpan.FromSeconds(30), Token);
        Assert.Empty(Directory.EnumerateDirectories(Target, "*ing"));
    }

    [Fact]
    public async Task A_stack_whose_token_is_another_one_is_told_so_and_its_volume_stays_empty()
    {
        using var backup = await BackedUpAsync();
        using var restore = Run(backup.Bucket);

        Assert.Equal(1, await RestoreAsync(restore, ("INFLUX_TOKEN", "token-of-another-stack")));

        Assert.Contains("not this stack's", (string?)restore.Report["message"], StringComparison.Ordinal);
        Assert.DoesNotContain("token-of-another-stack", restore.Report.ToJsonString(), StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Target));
    }

    [Fact]
    public async Task The_administrator_whom_the_Secret_names_now_has_its_password_and_the_one_of_then_has_none()
    {
        using var backup = await BackedUpAsync();
        using var restore = Run(backup.Bucket);
        Assert.True(await RestoreAsync(restore, ("ADMIN_USERNAME", "admin.b"), ("ADMIN_PASSWORD", "password-2")) == 0, restore.Report.ToJsonString());

        if (Real is not null)
        {
            var other = FreePort.Next();
            await using var server = Start("target", other);
            await ChildProcess.UntilAsync(() => CurlAsync($"http://127.0.0.1:{other}/api/v2/setup"), code => code == 0, TimeSpan.FromSeconds(30), Token);
            Assert.Equal((0, 22), (await CurlAsync("-X", "POST", "-u", "admin.b:password-2", $"http://127.0.0.1:{other}/api/v2/signin"), await CurlAsync("-X", "POST", "-u", "admin:password-1", $"http://127.0.0.1:{other}/api/v2/signin")));
            return;
        }

        var users = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Target, "influxd.bolt"), Token))!["users"]!.AsArray();
        Assert.Equal(["admin", "admin.b"], users.Select(user => (string?)user!["name"]));
        Assert.Equal(("password-2", true), ((string?)users[1]!["password"], (bool?)users[1]!["owner"]));
        Assert.NotEqual("password-1", (string?)users[0]!["password"]);
    }

    [Fact]
    public async Task A_drill_asks_the_checks_in_Flux()
    {
        Assert.SkipWhen(Real is not null, "the stand-in knows the answer");
        using var backup = await BackedUpAsync();
        using var drill = Run(backup.Bucket);
        drill.Check("values", "from(bucket: \"app\") |> range(start: 0) |> count()", "42");
        Assert.True(await RestoreAsync(drill, ("DRILL", "1")) == 0, drill.Report.ToJsonString());

        drill.Check("broken", "no Flux", "42");
        using var other = Run(backup.Bucket);
        other.Check("broken", "no Flux", "42");
        Directory.Delete(Target, recursive: true);
        Directory.CreateDirectory(Target);
        Assert.Equal(1, await RestoreAsync(other, ("DRILL", "1")));
        Assert.Contains("compilation failed", (string?)other.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_backup_that_breaks_off_is_none()
    {
        Assert.SkipWhen(Real is not null, "the real client is not told to break off");
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await BackupAsync(run, ("BREAKS", "1")));
        Assert.Contains("unexpected EOF", (string?)run.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_that_is_refused_is_told_without_it()
    {
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await BackupAsync(run, ("INFLUX_TOKEN", "wrong-Zz9")));

        Assert.Contains("401", (string?)run.Report["message"], StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-Zz9", run.Report.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flipped_byte_leaves_the_volume_empty()
    {
        using var backup = await BackedUpAsync();
        await store.FlipAsync(backup.Bucket, $"backups/payments/ledger/influxdb/{Id}/data-00001", Token);
        using var restore = Run(backup.Bucket);

        Assert.Equal(1, await RestoreAsync(restore));

        Assert.Equal("BackupBroken", (string?)restore.Report["reason"]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Target));
    }

    [Fact]
    public void The_first_server_is_read_whichever_the_operator_would_take() =>
        Assert.Equal("http://payments-influxdb-0.payments-influxdb-members.compliance.svc:8086", Tool.Copy(new("payments-influxdb-1", BackupType.Full)).Environment.Single(variable => variable.Name == "INFLUX_HOST").Value);

    private AgentRun Run(string bucket) => new(store, bucket, Id, Tool.Content, engine: "influxdb");

    private async Task<AgentRun> BackedUpAsync()
    {
        var run = Run(await store.BucketAsync());
        Assert.True(await BackupAsync(run) == 0, run.Report.ToJsonString());
        return run;
    }

    private Task<int> BackupAsync(AgentRun run, params (string, string)[] differing) =>
        ToolPod.BackupAsync(run, Tool.Copy(new("", BackupType.Full)), Secrets(), [.. Here, ("INFLUX_HOST", $"http://127.0.0.1:{port}"), .. differing]);

    private Task<int> RestoreAsync(AgentRun run, params (string, string)[] differing) =>
        ToolPod.RestoreAsync(run, Tool.LayDown(new(false, new Dictionary<string, string>())), Secrets(), [.. Here, ("DATA", Target), ("PORT", FreePort.Next()), .. differing]);

    private static Dictionary<string, IReadOnlyDictionary<string, string>> Secrets() => new()
    {
        [Plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = "password-1", ["admin-token"] = AdminToken, ["admin-username"] = "admin" },
    };

    private ChildProcess Start(string data, string at) => new(Path.Combine(folder, "bin", "influxd"), ["run"], new Dictionary<string, string>
    {
        ["PATH"] = Environment.GetEnvironmentVariable("PATH")!,
        ["HOME"] = folder,
        ["INFLUXD_NO_TASKS"] = "true",
        ["INFLUXD_HTTP_BIND_ADDRESS"] = $"127.0.0.1:{at}",
        ["INFLUXD_BOLT_PATH"] = Path.Combine(folder, data, "influxd.bolt"),
        ["INFLUXD_SQLITE_PATH"] = Path.Combine(folder, data, "influxd.sqlite"),
        ["INFLUXD_ENGINE_PATH"] = Path.Combine(folder, data, "engine"),
    });

    private static async Task<int> CurlAsync(params string[] arguments)
    {
        await using var curl = new ChildProcess("curl", ["-sf", "-m", "5", .. arguments]);
        await curl.EndedAsync(Token);
        return curl.ExitCode;
    }
}
