using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dora.Agent.Backups;
using Dora.Backup.Runs;
using Dora.Backup.Store;
using Dora.Testing;

namespace Dora.Integration.Tests.Backups;

/// <summary>A run as a pod makes it: a folder with order, credentials and keys, the agent's commands, and an engine's script on the other side of the pipe.</summary>
internal sealed class AgentRun : IDisposable
{
    /// <summary>The pod's token for Vault.</summary>
    public const string VaultToken = "a-projected-token";

    private static int count;

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-run-{Environment.ProcessId}-{Interlocked.Increment(ref count)}");

    public AgentRun(ObjectStoreServer server, string bucket, string id, string content, StoreCredentials? credentials = null, byte[]? key = null, string engine = "redis", Func<RunOrder, RunOrder>? order = null)
    {
        Bucket = bucket;
        foreach (var name in (string[])["stage", "store", "keys"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        var plain = new RunOrder(new(server.Endpoint, bucket, "backups"), id, new("payments", "ledger", "7b6f7c0e", engine, "1"), content);
        File.WriteAllText(At("order.json"), (order?.Invoke(plain) ?? plain).Write());
        File.WriteAllText(At("ca.crt"), server.Authority);
        Credentials("store", credentials ?? server.Owner);
        File.WriteAllText(At("keys/current"), Convert.ToBase64String(key ?? SHA256.HashData("a key"u8)) + "\n");
        File.WriteAllText(At("vault-token"), VaultToken + "\n");
        File.WriteAllText(At("report"), "");
    }

    /// <summary>The folder that agent and tool share.</summary>
    public string Stage => At("stage");

    /// <summary>The last message of the agent's container.</summary>
    public JsonObject Report => JsonNode.Parse(File.ReadAllText(At("report")))!.AsObject();

    /// <summary>Where it is stored, for the next run.</summary>
    public string Bucket { get; }

    /// <summary>The folder of a drill's questions.</summary>
    public string Checks => At("checks");

    /// <summary>Adds a question whose answer is known.</summary>
    public void Check(string name, string query, string expect)
    {
        Directory.CreateDirectory(Checks);
        File.WriteAllText(Path.Combine(Checks, $"{name}.query"), query);
        File.WriteAllText(Path.Combine(Checks, $"{name}.expect"), expect);
    }

    /// <summary>Gives it a second store.</summary>
    public void Target(StoreCredentials credentials, string authority)
    {
        Directory.CreateDirectory(At("target"));
        Credentials("target", credentials);
        File.WriteAllText(At("target-ca.crt"), authority);
    }

    /// <summary>Runs a command of the agent to its end.</summary>
    public async Task<int> AgentAsync(Command command, CancellationToken cancellationToken)
    {
        string[] staged = command.Options.Any(option => option.Name == "--stage") ? ["--stage", Stage] : [];
        string[] ordered = command.Options.Any(option => option.Name == "--order")
            ? ["--order", At("order.json"), "--store", At("store"), "--ca", At("ca.crt"), "--report", At("report"), "--heartbeat", At("heartbeat")]
            : [];
        string[] keyed = command.Options.Any(option => option.Name == "--keys") ? ["--keys", At("keys"), "--vault-token", At("vault-token")] : [];
        string[] targeted = command.Options.Any(option => option.Name == "--target-store") ? ["--target-store", At("target"), "--target-ca", At("target-ca.crt")] : [];
        return await command.Parse([.. ordered, .. keyed, .. targeted, .. staged]).InvokeAsync(new() { Output = TextWriter.Null, Error = TextWriter.Null }, cancellationToken);
    }

    /// <summary>Makes the pipe, as the pod's first container does.</summary>
    public Task PrepareAsync(CancellationToken cancellationToken) => AgentAsync(BackupCommands.Stage(), cancellationToken);

    /// <summary>Starts an engine's script.</summary>
    public ChildProcess Tool(string script, params (string Name, string Value)[] environment) =>
        Bash([Path.Combine(GoldenFile.RepositoryRoot, "src", "Dora.Engines", script)], environment);

    /// <summary>Starts a tool that is no engine's: what bash is told, with <c>outcome NAME=VALUE...</c> as the engines' scripts have it.</summary>
    public ChildProcess Shell(string commands, params (string Name, string Value)[] environment) =>
        Bash(["-c", "outcome() { printf '%s\\n' \"$@\" >\"$STAGE/outcome.new\" && mv \"$STAGE/outcome.new\" \"$STAGE/outcome\"; }\n" + commands], environment);

    private ChildProcess Bash(IEnumerable<string> arguments, (string Name, string Value)[] environment)
    {
        var variables = new Dictionary<string, string> { ["PATH"] = Environment.GetEnvironmentVariable("PATH")!, ["STAGE"] = Stage };
        foreach (var (name, value) in environment)
            variables[name] = value;
        return new("bash", arguments, variables);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private void Credentials(string name, StoreCredentials credentials)
    {
        File.WriteAllText(At($"{name}/accessKeyId"), credentials.AccessKeyId + "\n");
        File.WriteAllText(At($"{name}/secretAccessKey"), credentials.SecretAccessKey + "\n");
    }

    private string At(string name) => Path.Combine(folder, name);
}
