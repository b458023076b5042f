using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V1;
using Dora.Integration.Tests.InfluxDb;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>InfluxDB 1.x is backed up from a server that runs as its pod runs it, and restored into the volume of another.</summary>
[Collection(ObjectStoreTests.Name)]
public sealed class RealInflux1BackupTests(ObjectStoreServer store) : IAsyncLifetime
{
    private const string Id = "20261121t030000z-a1b2c3";
    private const string Content = "influxdb1-values";

    private static readonly InfluxDbSettings Declared = new(
        Databases: [new("metrics", "3650d", "1d", [new("year", "3650d")]), new("for-ever")],
        Users: [new("reader", [new("metrics")])],
        Downsampling: [new("hourly", "metrics", "for-ever", "60m")]);

    // Everything that line protocol, CSV or InfluxQL escapes; values of each type; a name that is none of the settings'.
    private static readonly string[] Awkward =
    [
        "m\\,x\\ y,t\\ a=v\\,1\\=2,z=q\"r\\s f=1,g=\"\",s=\"a\nb,\\\"c\\\" \\\\z\r\n\",i=9007199254740993i,b=true 1000000000",
        "m\\,x\\ y f=2.5e-9,i=-1i 2000000000",
        "m\\,x\\ y,t\\ a=ü f=1e300,field\\ with\\,all\\=of\\ it=1 -2000000000",
        "\"quoted\",a=1 s=\"\\\\\",b=false 1700000000000000001",
    ];

    private readonly Influx1Pod pod = new(Declared);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private BackupTool Tool => V1Backup.Tool(pod.Plan);

    public async ValueTask InitializeAsync()
    {
        await pod.StartAsync();
        await pod.ConvergeAsync();
    }

    public ValueTask DisposeAsync() => pod.DisposeAsync();

    [Fact]
    public async Task What_was_backed_up_under_load_is_what_the_next_server_holds()
    {
        await FillAsync();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var load = WriteUntilAsync(stop.Token);
        using var backup = Run(await store.BucketAsync());
        Assert.True(await BackupAsync(backup) == 0, backup.Report.ToJsonString());
        await stop.CancelAsync();
        await load;

        await using var next = new Influx1Pod(Declared);
        var other = new Dictionary<string, string>(pod.Target.Secrets[pod.Plan.Names.InternalSecret]) { ["admin-password"] = "another-Wq3k'\\x", ["monitor-password"] = "another-monitor", ["admin-username"] = "admin.b" };
        next.Secrets[next.Plan.Names.InternalSecret] = other;
        using var restore = Run(backup.Bucket);
        Assert.Equal(0, await RestoreAsync(restore, next));

        var (taken, found) = (backup.Report["facts"]!.AsObject(), restore.Report["facts"]!.AsObject());
        Assert.All(taken, fact => Assert.Equal((string?)fact.Value, (string?)found[fact.Key]));
        Assert.InRange(int.Parse((string)taken["count:values:metrics"]!, CultureInfo.InvariantCulture), 5_000, int.MaxValue);
        await next.StartAsync();
        var health = await next.ConvergeAsync();
        Assert.Equal((EngineVerdict.Healthy, ""), (health.Verdict, health.Message));
        var admin = next.Client("admin.b", other["admin-password"]);
        foreach (var question in (string[])["SELECT * FROM \"for-ever\".autogen./.*/ WHERE time < 1800000000s GROUP BY *", "SELECT COUNT(v) FROM metrics.year.m", "SHOW FIELD KEYS ON \"for-ever\"", "SHOW CONTINUOUS QUERIES", "SHOW RETENTION POLICIES ON metrics", "SHOW GRANTS FOR reader"])
            Assert.Equal(await TextAsync(pod.Client("admin", Influx1Pod.AdminPassword), question), await TextAsync(admin, question));
    }

    [Fact]
    public async Task A_drill_answers_checks_and_says_what_was_answered_otherwise()
    {
        await FillAsync();
        using var backup = Run(await store.BucketAsync());
        Assert.True(await BackupAsync(backup) == 0, backup.Report.ToJsonString());
        using var drill = Run(backup.Bucket);
        drill.Check("all-there", "SELECT COUNT(v) FROM metrics.\"year\".m", "5000");
        drill.Check("wrong", "SELECT COUNT(v) FROM metrics.\"year\".m", "4999");
        drill.Check("no-question", "SELECT FROM", "1");
        await using var scratch = new Influx1Pod();

        Assert.Equal(1, await RestoreAsync(drill, scratch, drill: true));

        var facts = drill.Report["facts"]!.AsObject();
        Assert.Equal("CheckFailed", (string?)drill.Report["reason"]);
        Assert.Equal(("passed", "failed: got 5000"), ((string?)facts["check:all-there"], (string?)facts["check:wrong"]));
        Assert.StartsWith("failed: no answer: 127.0.0.1", (string?)facts["check:no-question"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_that_is_refused_is_told_without_the_password_and_nothing_is_stored()
    {
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await BackupAsync(run, ("INFLUX_PASSWORD", "wrong-Zz9")));

        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
        Assert.Contains("HTTP status 401", (string?)run.Report["message"], StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-Zz9", (string?)run.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_whose_certificate_is_not_the_stacks_is_told_no_password()
    {
        using var run = Run(await store.BucketAsync());
        using var others = new TestCertificates();
        var authority = Path.Combine(run.Stage, "others.crt");
        await File.WriteAllTextAsync(authority, others.AuthorityPem, Token);

        Assert.Equal(1, await BackupAsync(run, ("TLS_CA", authority)));
        Assert.Contains("no answer", (string?)run.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_value_more_is_another_fingerprint()
    {
        await FillAsync();
        using var run = Run(await store.BucketAsync());
        await BackupAsync(run);
        var taken = run.Report["facts"]!.AsObject();
        await WriteAsync("metrics", "one,more=1 v=1 1700000000000000000");
        using var later = Run(await store.BucketAsync());
        await BackupAsync(later);

        Assert.Equal(1 + int.Parse((string)taken["count:values"]!, CultureInfo.InvariantCulture), int.Parse((string)later.Report["facts"]!["count:values"]!, CultureInfo.InvariantCulture));
    }

    // A broken connection looks like one that ended, and of a statement that failed the server's CSV says nothing.
    [Theory]
    [InlineData("HTTP/1.0 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nname,tags,name\n")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nname,tags,id,database\nmetrics,,1,metrics\n")]
    [InlineData("HTTP/1.0 503 Service Unavailable\r\n\r\n")]
    [InlineData("")]
    public async Task An_answer_that_is_not_whole_is_no_backup(string answer)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        // The first question, which databases there are, is answered.
        var serving = AnswerAsync(listener, ["HTTP/1.0 200 OK\r\n\r\nname,tags,name\ndatabases,,metrics\n", answer], stop.Token);
        using var run = Run(await store.BucketAsync());

        var code = await BackupAsync(run, ("HOST", "127.0.0.1"), ("ADDRESS", ""), ("TLS_CA", ""), ("PORT", ((IPEndPoint)listener.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture)));
        await stop.CancelAsync();
        await serving;

        // An answer that ends with its last statement's is whole, and then the next question finds nobody.
        Assert.Equal(1, code);
        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
    }

    [Fact]
    public async Task A_flipped_byte_leaves_the_volume_empty()
    {
        await FillAsync();
        using var run = Run(await store.BucketAsync());
        await BackupAsync(run);
        await store.FlipAsync(run.Bucket, $"backups/payments/ledger/influxdb/{Id}/data-00001", Token);
        await using var next = new Influx1Pod();
        using var restore = Run(run.Bucket);

        Assert.Equal(1, await RestoreAsync(restore, next));

        Assert.Equal("BackupBroken", (string?)restore.Report["reason"]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(next.Volume));
    }

    [Fact]
    public async Task A_volume_that_holds_data_is_not_written_over()
    {
        using var run = Run(await store.BucketAsync());
        await BackupAsync(run);
        using var restore = Run(run.Bucket);

        Assert.Equal(1, await RestoreAsync(restore, pod));
        Assert.Contains("holds data already", (string?)restore.Report["message"], StringComparison.Ordinal);
    }

    private AgentRun Run(string bucket) => new(store, bucket, Id, Content, engine: "influxdb");

    // Nobody here knows the pod's name, and its port is the same as the others'.
    private Task<int> BackupAsync(AgentRun run, params (string Name, string Value)[] differing) =>
        ToolPod.BackupAsync(run, Tool.Copy(new(pod.Plan.Names.MemberHost(0), BackupType.Full)), pod.Target.Secrets, [("ADDRESS", pod.Target.Members[0].Address!), ("TLS_CA", pod.Trust), .. differing]);

    private Task<int> RestoreAsync(AgentRun run, Influx1Pod target, bool drill = false) => ToolPod.RestoreAsync(
        run,
        Tool.LayDown(new(drill, new Dictionary<string, string>(), Checks: [new("asked", "influxdb", "", "")])),
        target.Target.Secrets,
        [("DATA", target.Volume), ("PORT", FreePort.Next()), .. drill ? [("DRILL", "1")] : Array.Empty<(string, string)>()]);

    private async Task FillAsync()
    {
        await WriteAsync("for-ever", string.Join('\n', Awkward));
        await WriteAsync("metrics&rp=year", string.Join('\n', Enumerable.Range(0, 5_000).Select(number => string.Create(CultureInfo.InvariantCulture, $"m,host=h{number % 7} v={number}.5 {1_700_000_000L + (number * 600L)}000000000"))));
    }

    private async Task WriteUntilAsync(CancellationToken stop)
    {
        for (var number = 0; !stop.IsCancellationRequested; number++)
            await WriteAsync("metrics", string.Create(CultureInfo.InvariantCulture, $"late,host=h{number % 50} v={number}i"));
    }

    private async Task WriteAsync(string database, string points)
    {
        using var body = new StringContent(points);
        var reply = await pod.Http(InfluxHttp.Basic("admin", Influx1Pod.AdminPassword)).SendAsync(HttpMethod.Post, $"write?db={database}", body, Token);
        Assert.True((int)reply.Status == 204, Encoding.UTF8.GetString(reply.Body));
    }

    private static async Task<string> TextAsync(V1Client client, string question)
    {
        var results = await client.QueryAsync(question, Token);
        return string.Join('\n', results.SelectMany(result => result.Tables).SelectMany(table => table.Rows.Select(row => $"{table.Name}: {string.Join(' ', row.Select(cell => $"{cell.Key}={cell.Value}"))}")));
    }

    private static async Task AnswerAsync(TcpListener listener, string[] answers, CancellationToken stop)
    {
        try
        {
            foreach (var answer in answers)
            {
                using var client = await listener.AcceptTcpClientAsync(stop);
                await using var stream = client.GetStream();
                Assert.NotEqual(0, await stream.ReadAtLeastAsync(new byte[4096], 1, throwOnEndOfStream: false, stop));
                await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), stop);
            }

            listener.Stop();
        }
        catch (OperationCanceledException)
        {
            // The tool asked no more.
        }
    }
}
