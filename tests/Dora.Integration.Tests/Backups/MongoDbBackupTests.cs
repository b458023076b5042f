using System.Globalization;
using System.Text.Json;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Engines.MongoDb;
using Dora.Integration.Tests.MongoDb;
using Dora.Testing;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>
/// The scripts of MongoDB's backups, with the agent and a real object store. The programs are stand-ins that take nothing but what is documented; with
/// <c>MONGODB_BIN</c>, a folder with mongod, mongosh, mongodump and mongorestore, the same tests run on those.
/// </summary>
[Collection(ObjectStoreTests.Name)]
public sealed class MongoDbBackupTests(ObjectStoreServer store) : IAsyncLifetime
{
    private const string Id = "20261121t030000z-a1b2c3";
    private const string BackupPassword = "backup-Zk3w9Rt5";
    private const string AdminPassword = "admin-Xq7m2Lp8";

    private readonly string folder = Directory.CreateTempSubdirectory("dora-mongodb-backup-").FullName;
    private readonly MongoDbPlan plan = MongoDbServers.Of(new(Instances: 3));
    private ChildProcess? source;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static string? Real => Environment.GetEnvironmentVariable("MONGODB_BIN");

    private BackupTool Tool => MongoDbBackup.Tool(plan);

    private string Target => Path.Combine(folder, "target");

    private string Port { get; } = FreePort.Next();

    private Dictionary<string, IReadOnlyDictionary<string, string>> Secrets => new()
    {
        [plan.Names.InternalSecret] = new Dictionary<string, string> { ["backup-password"] = BackupPassword, ["backup-username"] = "backup", ["admin-password"] = AdminPassword, ["admin-username"] = "admin" },
    };

    private (string, string)[] Here => [("PATH", Path.Combine(folder, "bin") + ":" + Environment.GetEnvironmentVariable("PATH")), ("WORLD", Path.Combine(folder, "world")), ("TLS_CA", "")];

    public async ValueTask InitializeAsync()
    {
        foreach (var name in (string[])["bin", "world", "source", "target"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        foreach (var name in (string[])["mongod", "mongosh", "mongodump", "mongorestore"])
            File.CreateSymbolicLink(Path.Combine(folder, "bin", name), Real is { } real ? Path.Combine(real, name) : Path.Combine(GoldenFile.RepositoryRoot, "tests/Dora.Integration.Tests/Backups/StandIns/mongodb.js"));
        source = Start("source", Port, "--replSet", "rs0");
        await UntilAsync(Port, "quit(0)");
        await UntilAsync(Port, $$"""
            const admin = db.getSiblingDB('admin');
            const hello = admin.runCommand({ hello: 1 });
            if (!hello.setName) admin.runCommand({ replSetInitiate: { _id: 'rs0', version: 1, members: [{ _id: 0, host: '127.0.0.1:{{Port}}' }] } });
            if (!hello.isWritablePrimary) quit(1);
            """);
        Assert.Equal("", await SayAsync(Port, $$"""
            const create = (user, pwd, roles, customData) => db.getSiblingDB('admin').runCommand({ createUser: user, pwd, roles, mechanisms: ['SCRAM-SHA-256'], customData });
            create('admin', 'another-password', [{ role: 'root', db: 'admin' }], {});
            create('backup', '{{BackupPassword}}', [{ role: 'backup', db: 'admin' }], { managedBy: 'dora-operator' });
            create('somebody', 'theirs', [{ role: 'read', db: 'app' }], {});
            db.getSiblingDB('app').runCommand({ insert: 'orders', documents: [{ _id: 1 }, { _id: 2 }] });
            db.getSiblingDB('app').runCommand({ insert: 'a name', documents: [{ _id: 'x' }] });
            db.getSiblingDB('other').runCommand({ insert: 'things', documents: [{ _id: 1 }] });
            """));
    }

    public async ValueTask DisposeAsync()
    {
        if (source is not null)
            await source.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_was_dumped_is_the_first_member_of_the_stacks_own_set_with_the_stacks_administrator()
    {
        using var backup = await BackedUpAsync();
        using var restore = Run(backup.Bucket);
        Assert.True(await RestoreAsync(restore) == 0, restore.Report.ToJsonString());

        var (taken, found) = (backup.Report["facts"]!.AsObject(), restore.Report["facts"]!.AsObject());
        Assert.Equal(("4", "3", "3", "1"), ((string?)taken["count:documents"], (string?)taken["count:documents:app"], (string?)taken["count:collections"], (string?)taken["count:documents:other"]));
        Assert.All(taken.Where(fact => fact.Key.StartsWith("count:", StringComparison.Ordinal)), fact => Assert.Equal((string?)fact.Value, (string?)found[fact.Key]));
        await source!.StopAsync(Token);
        var port = FreePort.Next();
        await using var member = Start("target/db", port);
        await UntilAsync(port, "quit(0)");
        Assert.Equal("", await SayAsync(port, """
            const users = db.getSiblingDB('admin').runCommand({ usersInfo: 1 }).users.map(({ user }) => user).sort().join();
            if (users !== 'admin,somebody') throw new Error(users);
            if (db.getSiblingDB('app').runCommand({ count: 'orders' }).n !== 2) throw new Error('orders');
            """));
        if (Real is null)
            Assert.Equal((plan.Host("payments-mongodb-0"), AdminPassword), (State("target/db", "config", "members", "0", "host"), State("target/db", "users", "admin", "pwd")));
    }

    [Fact]
    public async Task The_administrator_whom_the_Secret_names_now_takes_the_place_of_the_one_of_then()
    {
        using var backup = await BackedUpAsync();
        using var restore = Run(backup.Bucket);
        Assert.True(await RestoreAsync(restore, ("ADMIN_USERNAME", "admin.b")) == 0, restore.Report.ToJsonString());

        await source!.StopAsync(Token);
        var port = FreePort.Next();
        await using var member = Start("target/db", port);
        await UntilAsync(port, "quit(0)");
        Assert.Equal("", await SayAsync(port, """
            const users = db.getSiblingDB('admin').runCommand({ usersInfo: 1 }).users.map(({ user }) => user).sort().join();
            if (users !== 'admin.b,somebody') throw new Error(users);
            """));
    }

    [Fact]
    public async Task A_drill_validates_every_collection_and_asks_the_checks()
    {
        using var backup = await BackedUpAsync();
        using var drill = Run(backup.Bucket);
        drill.Check("orders", """{"count": "orders"}""", "2");
        File.WriteAllText(Path.Combine(drill.Checks, "orders.database"), "app");

        Assert.True(await RestoreAsync(drill, ("DRILL", "1")) == 0, drill.Report.ToJsonString());
        Assert.Equal("passed", (string?)drill.Report["facts"]!["check:orders"]);
    }

    [Fact]
    public async Task A_password_that_is_refused_is_told_without_it_and_nothing_is_stored()
    {
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await BackupAsync(run, ("MONGODB_PASSWORD", "wrong-Zz9")));

        Assert.Equal("ToolFailed", (string?)run.Report["reason"]);
        Assert.Contains("AuthenticationFailed", (string?)run.Report["message"], StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-Zz9", (string?)run.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_dump_that_breaks_off_is_no_backup()
    {
        Assert.SkipWhen(Real is not null, "the real server does not break off by a document");
        await SayAsync(Port, "db.getSiblingDB('app').runCommand({ insert: 'orders', documents: [{ _id: 3, breaks: true }] });");
        using var run = Run(await store.BucketAsync());

        Assert.Equal(1, await BackupAsync(run));
        Assert.Contains("unexpected EOF", (string?)run.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_collection_that_is_not_valid_fails_the_drill_by_its_name()
    {
        Assert.SkipWhen(Real is not null, "the real server's collections are valid");
        await SayAsync(Port, "db.getSiblingDB('app').runCommand({ insert: 'orders', documents: [{ _id: 3, damaged: true }] });");
        using var backup = await BackedUpAsync();
        using var drill = Run(backup.Bucket);

        Assert.Equal(1, await RestoreAsync(drill, ("DRILL", "1")));
        Assert.Contains("app.orders is not valid", (string?)drill.Report["message"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flipped_byte_leaves_the_volume_empty()
    {
        using var backup = await BackedUpAsync();
        await store.FlipAsync(backup.Bucket, $"backups/payments/ledger/mongodb/{Id}/data-00001", Token);
        using var restore = Run(backup.Bucket);

        Assert.Equal(1, await RestoreAsync(restore));

        Assert.Equal("BackupBroken", (string?)restore.Report["reason"]);
        Assert.Empty(Directory.EnumerateFileSystemEntries(Target));
    }

    [Fact]
    public async Task A_volume_that_holds_data_is_not_written_over()
    {
        using var backup = await BackedUpAsync();
        Directory.CreateDirectory(Path.Combine(Target, "db", "journal"));
        using var restore = Run(backup.Bucket);

        Assert.Equal(1, await RestoreAsync(restore));
        Assert.Contains("holds data already", (string?)restore.Report["message"], StringComparison.Ordinal);
    }

    private AgentRun Run(string bucket) => new(store, bucket, Id, Tool.Content, engine: "mongodb");

    private async Task<AgentRun> BackedUpAsync()
    {
        var run = Run(await store.BucketAsync());
        Assert.True(await BackupAsync(run) == 0, run.Report.ToJsonString());
        return run;
    }

    private Task<int> BackupAsync(AgentRun run, params (string, string)[] differing) =>
        ToolPod.BackupAsync(run, Tool.Copy(new("127.0.0.1", BackupType.Full)), Secrets, [.. Here, ("PORT", Port), .. differing]);

    private Task<int> RestoreAsync(AgentRun run, params (string, string)[] differing) =>
        ToolPod.RestoreAsync(run, Tool.LayDown(new(false, new Dictionary<string, string>())), Secrets, [.. Here, ("DATA", Target), ("PORT", FreePort.Next()), .. differing]);

    private ChildProcess Start(string data, string port, params string[] arguments) =>
        new(Path.Combine(folder, "bin", "mongod"), ["--dbpath", Path.Combine(folder, data), "--bind_ip", "127.0.0.1", "--port", port, "--unixSocketPrefix", folder, .. arguments], Here.ToDictionary(variable => variable.Item1, variable => variable.Item2));

    private Task UntilAsync(string port, string script) => ChildProcess.UntilAsync(() => SayAsync(port, script), said => said.Length == 0, TimeSpan.FromSeconds(30), Token);

    // What the shell complains of; nothing when the script came to its end.
    private async Task<string> SayAsync(string port, string script)
    {
        var file = Path.Combine(folder, "say.js");
        await File.WriteAllTextAsync(file, script, Token);
        await using var shell = new ChildProcess(Path.Combine(folder, "bin", "mongosh"), ["--quiet", "--norc", $"mongodb://127.0.0.1:{port}/?directConnection=true", file], Here.ToDictionary(variable => variable.Item1, variable => variable.Item2));
        await shell.EndedAsync(Token);
        return shell.ExitCode == 0 ? "" : $"{shell.ExitCode}: {shell.Output}";
    }

    private string? State(string data, params string[] path)
    {
        using var state = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, data, "state.json")));
        return path.Aggregate(state.RootElement, (element, name) => int.TryParse(name, CultureInfo.InvariantCulture, out var index) ? element[index] : element.GetProperty(name)).GetString();
    }
}
