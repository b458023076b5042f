using System.Globalization;
using System.Text.RegularExpressions;
using Dora.Agent.Backups;
using Dora.Api;
using Dora.Backup.Runs;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Engines.Postgres;
using Dora.Integration.Tests.Postgres;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>
/// Two members under Patroni that archive into a real object store, each with pgBackRest's TLS server beside it; and runs of their backups with
/// the files and the environment that the operator gives to pods, on one side the agent.
/// </summary>
public sealed partial class ArchivingPods(ObjectStoreServer store) : IAsyncLifetime
{
    private static int count;

    private readonly TestCertificates authority = new();
    private int runs;

    public PatroniPods Pods { get; } = new();

    public string Bucket { get; private set; } = "";

    public ObjectStoreServer Store => store;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The pgBackRest repository in the bucket.</summary>
    public static string Repository => "backups/compliance/payments/postgres/pgbackrest";

    /// <summary>A backup as a pod makes it; its report. Throws when it failed.</summary>
    /// <param name="type">What kind.</param>
    /// <param name="order">What differs in its order.</param>
    public async Task<BackupDone> BackupAsync(BackupType type, Func<RunOrder, RunOrder>? order = null)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"20261121t{Interlocked.Increment(ref count):000000}z-a1b2c3");
        using var run = Run(id, order);
        var tool = Tool(null).Copy(new(Pods.Plan.Names.MemberHost(0), type));
        var code = await RunAsync(run, tool, Pods.Home(0), BackupCommands.Record(), []);
        return new(id, code, run.Report.ToJsonString(), Facts(run));
    }

    /// <summary>Lays a backup down in a folder as a pod does. Nothing in it is written over.</summary>
    /// <param name="backup">The backup.</param>
    /// <param name="data">The folder in which <c>data</c> comes to be.</param>
    /// <param name="request">What is wanted.</param>
    /// <param name="copy">The copy that is read; null: the first place.</param>
    public async Task<BackupDone> RestoreAsync(BackupDone backup, string data, LayDownRequest request, BackupDestination? copy = null)
    {
        using var run = Run(backup.Id, copy is null ? null : order => order with { Store = order.Store with { Bucket = copy.Bucket, Prefix = copy.Prefix! } });
        foreach (var check in request.Checks ?? [])
        {
            Directory.CreateDirectory(Path.Combine(run.Stage, "..", "checks"));
            await File.WriteAllTextAsync(Path.Combine(run.Stage, "..", "checks", $"{check.Name}.query"), check.Query, Token);
            await File.WriteAllTextAsync(Path.Combine(run.Stage, "..", "checks", $"{check.Name}.expect"), check.Expect, Token);
        }

        var code = await RunAsync(run, Tool(copy).LayDown(request), Pods.Home(0), BackupCommands.Follow(), [("DATA", data), ("DRILL", request.Drill ? "1" : ""), ("CHECKS", Path.Combine(run.Stage, "..", "checks"))]);
        return new(backup.Id, code, run.Report.ToJsonString(), Facts(run));
    }

    /// <summary>Has all of a backup read that a restore would read, as the pod does that comes before it.</summary>
    public async Task<BackupDone> InspectAsync(BackupDone backup, LayDownRequest request)
    {
        using var run = Run(backup.Id);
        var code = await RunAsync(run, Tool(null).Inspect!(request), Pods.Home(0), BackupCommands.Inspect(), []);
        return new(backup.Id, code, run.Report.ToJsonString(), Facts(run));
    }

    /// <summary>The objects of the repository in a folder, by name.</summary>
    public async Task<IReadOnlyList<string>> ObjectsAsync(string folder)
    {
        using var client = store.Client();
        var listed = await client.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = $"{Repository}/{folder}" }, Token);
        return [.. (listed.S3Objects ?? []).Select(entry => entry.Key).Order(StringComparer.Ordinal)];
    }

    /// <summary>Changes an object in its middle, or removes it, for as long as the answer is not disposed.</summary>
    public async Task<IAsyncDisposable> BreakAsync(string name, bool remove)
    {
        using var client = store.Client();
        using var whole = new MemoryStream();
        using (var found = await client.GetObjectAsync(Bucket, name, Token))
            await found.ResponseStream.CopyToAsync(whole, Token);
        if (remove)
            await client.DeleteObjectAsync(Bucket, name, Token);
        else
            await store.FlipAsync(Bucket, name, Token);
        return new Mended(store, Bucket, name, whole.ToArray());
    }

    private sealed record Mended(ObjectStoreServer Store, string Bucket, string Name, byte[] Bytes) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            using var client = Store.Client();
            await client.PutObjectAsync(new() { BucketName = Bucket, Key = Name, InputStream = new MemoryStream(Bytes) }, CancellationToken.None);
        }
    }

    /// <summary>Copies a backup to another bucket, below another prefix.</summary>
    public async Task<BackupDestination> CopyAsync(BackupDone backup)
    {
        var copy = Pods.Plan.Names.Stack.Backup!.Destination with { Bucket = await store.BucketAsync(), Prefix = "copies/of/ours" };
        using var run = Run(backup.Id, order => order with { Copy = new(order.Store with { Bucket = copy.Bucket, Prefix = copy.Prefix }) });
        run.Target(store.Owner, store.Authority);
        Assert.True(await run.AgentAsync(CopyCommand.Create(), Token) == 0, run.Report.ToJsonString());
        return copy;
    }

    /// <summary>An empty folder for restored data, of the servers' user.</summary>
    public async Task<string> EmptyAsync()
    {
        var folder = Path.Combine(Pods.Home(0), string.Create(CultureInfo.InvariantCulture, $"volume-{Interlocked.Increment(ref count)}"));
        Directory.CreateDirectory(folder);
        await HackScript.RunAsync("chown", "postgres:postgres", folder);
        return folder;
    }

    public async Task<object?> AskAsync(string statement)
    {
        await using var source = PostgresSql.Source(Pods.Plan, Pods.Target, Pods.Target.Members[Primary], PostgresPlan.AppDatabase);
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }

    public int Primary => Pods.Health!.Members.ToList().FindIndex(member => member.Pod == Pods.Health.Primary);

    /// <summary>Closes the log's file and waits until it is in the store.</summary>
    public async Task ArchiveAsync()
    {
        // A file in which nothing was written is not switched, and not archived.
        var file = (string)(await AskAsync("SELECT pg_walfile_name(pg_switch_wal()) FROM pg_create_restore_point('archived')"))!;
        await ChildProcess.UntilAsync(async () => (string?)await AskAsync("SELECT last_archived_wal FROM pg_stat_archiver"), archived => string.CompareOrdinal(archived, file) >= 0, TimeSpan.FromSeconds(180), Token);
    }

    public async ValueTask InitializeAsync()
    {
        Bucket = await store.BucketAsync();
        Pods.Encrypt(new(), authority, new BackupSettings(new($"https://{PatroniPods.StoreName}:{store.Endpoint.Port}", Bucket, "store", "backups", CaSecret: "store-ca"), new("keys"), Keep: new(Last: 2)));
        await SecretAsync("store/accessKeyId", store.Owner.AccessKeyId);
        await SecretAsync("store/secretAccessKey", store.Owner.SecretAccessKey);
        await SecretAsync("keys/pgbackrest", "a passphrase\n");
        await SecretAsync("ca/ca.crt", store.Authority);
        var client = PostgresTls.Certificates(Pods.Plan)[^1];
        foreach (var (name, text) in authority.ServerFiles(client.DnsNames))
            await SecretAsync($"client/{name}", text);
        await HackScript.RunAsync("chmod", "0600", Path.Combine(Pods.Secrets, "client", CertificateRequest.Key));
        await Pods.InitializeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await Pods.DisposeAsync();
        authority.Dispose();
    }

    /// <summary>Changes a file of the Secrets that all members and runs have.</summary>
    public async Task SecretAsync(string name, string text)
    {
        var path = Path.Combine(Pods.Secrets, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, text, Token);
        await HackScript.RunAsync("chown", "postgres:postgres", path);
    }

    private BackupTool Tool(BackupDestination? copy)
    {
        var (plan, stack) = (Pods.Plan, Pods.Plan.Names.Stack);
        return PostgresBackups.Of(copy is null ? plan : plan with { Names = plan.Names with { Stack = stack with { Backup = stack.Backup! with { Destination = copy } } } }, [])[0];
    }

    // Of the stack whose repository it is.
    private AgentRun Run(string id, Func<RunOrder, RunOrder>? change = null) => new(store, Bucket, id, PostgresBackups.Physical, engine: "postgres", order: order =>
    {
        var own = order with { Origin = order.Origin with { Namespace = Pods.Plan.Names.Stack.Namespace, Stack = Pods.Plan.Names.Stack.Name } };
        return change?.Invoke(own) ?? own;
    });

    private async Task<int> RunAsync(AgentRun run, ToolContainer tool, string home, System.CommandLine.Command command, (string Name, string Value)[] environment)
    {
        var scripts = Path.Combine(run.Stage, "..", "scripts");
        Directory.CreateDirectory(scripts);
        foreach (var (name, text) in tool.Files)
            await File.WriteAllTextAsync(Path.Combine(scripts, name), Local(text), Token);
        var variables = new Dictionary<string, string>
        {
            ["PATH"] = "/usr/lib/postgresql/15/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            ["HOME"] = "/tmp",
            ["STAGE"] = run.Stage,
            ["BACKUP"] = Pods.Secrets,
        };
        foreach (var (name, value) in environment.Concat(tool.Environment.Select(variable => (variable.Name, variable.Value ?? Password(variable.Name)))))
            variables[name] = value;
        await run.PrepareAsync(Token);
        await HackScript.RunAsync("chown", "-R", "postgres:postgres", run.Stage);
        await using var process = PatroniPods.InPod(home, variables, $"bash {Path.GetFullPath(scripts)}/{tool.Script}");
        var code = await run.AgentAsync(command, Token);
        await process.EndedAsync(Token);
        return code;
    }

    // A run has its own lock, and each member its own folders.
    private string Local(string text) => MemberFolder().Replace(
        Pods.Local(0, text.Replace("/tmp/pgbackrest", $"{Pods.Home(0)}/run-lock-{Interlocked.Increment(ref runs)}", StringComparison.Ordinal)),
        line => $"{line.Groups["option"].Value}{Pods.Home(int.Parse(line.Groups["number"].ValueSpan, CultureInfo.InvariantCulture) - 1)}{line.Groups["data"].Value}");

    private static string Password(string name) => name switch
    {
        "SUPERUSER_PASSWORD" => PatroniPods.SuperuserPassword,
        "REPLICATION_USERNAME" => PostgresPlan.ReplicationUser,
        "REWIND_USERNAME" => PostgresPlan.RewindUser,
        "REPLICATION_PASSWORD" => PatroniPods.ReplicationPassword,
        "APP_USERNAME" => PostgresPlan.AppUser,
        "APP_PASSWORD" => PatroniPods.AppPassword,
        _ => PatroniPods.RewindPassword,
    };

    private static Dictionary<string, string> Facts(AgentRun run) =>
        (run.Report["facts"]?.AsObject() ?? []).ToDictionary(fact => fact.Key, fact => (string)fact.Value!, StringComparer.Ordinal);

    [GeneratedRegex("^(?<option>pg(?<number>[0-9]+)-(path|socket-path)=).*?(?<data>/data)?$", RegexOptions.Multiline | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex MemberFolder();
}

/// <summary>How a run ended.</summary>
/// <param name="Id">ID of the backup.</param>
/// <param name="Code">Exit code of the agent.</param>
/// <param name="Report">Its report.</param>
/// <param name="Facts">Facts in it.</param>
public sealed record BackupDone(string Id, int Code, string Report, IReadOnlyDictionary<string, string> Facts);
