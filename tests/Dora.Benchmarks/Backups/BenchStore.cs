using System.Text.Json.Nodes;
using Dora.Benchmarks.Measuring;

namespace Dora.Benchmarks.Backups;

/// <summary>The object store of a benchmark: for the agent as a pod has it, for others by rclone.</summary>
/// <param name="bench">What every benchmark needs.</param>
/// <param name="folder">For orders and secrets.</param>
/// <param name="store">Folder of a store that hack/object-store.sh started.</param>
internal sealed class BenchStore(Bench bench, string folder, string store)
{
    public const string Bucket = "bench";

    /// <summary>Folder with the agent's keys.</summary>
    public string Keys => Path.Combine(folder, "keys");

    // A file, for everybody may read the arguments of a program.
    private string Settings => Path.Combine(folder, "rclone.env");

    private string Endpoint => File.ReadAllText(Path.Combine(store, "endpoint")).Trim();

    public async Task PrepareAsync(CancellationToken cancellationToken)
    {
        var access = await File.ReadAllLinesAsync(Path.Combine(store, "admin"), cancellationToken);
        foreach (var name in (string[])["store", "keys"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        await File.WriteAllLinesAsync(
            Settings,
            [
                "RCLONE_CONFIG_STORE_TYPE=s3", "RCLONE_CONFIG_STORE_PROVIDER=Ceph", $"RCLONE_CONFIG_STORE_ENDPOINT={Endpoint}", $"RCLONE_CONFIG_STORE_ACCESS_KEY_ID={access[0]}", $"RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY={access[1]}",
                $"RCLONE_CA_CERT='{Path.Combine(store, "ca.crt")}'", "RCLONE_S3_CHUNK_SIZE=16M", "RCLONE_S3_UPLOAD_CONCURRENCY=2",
            ],
            cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "store", "accessKeyId"), access[0], cancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder, "store", "secretAccessKey"), access[1], cancellationToken);
        await File.WriteAllBytesAsync(Path.Combine(Keys, "current"), new byte[32], cancellationToken);
        await ShellAsync("bucket", $"rclone mkdir store:{Bucket}", cancellationToken);
    }

    /// <summary>Writes an order, and answers its file.</summary>
    public async Task<string> OrderAsync(string id, string engine, int keep, CancellationToken cancellationToken)
    {
        var path = Path.Combine(folder, $"order-{id}.json");
        var order = new JsonObject
        {
            ["store"] = new JsonObject { ["endpoint"] = Endpoint, ["bucket"] = Bucket },
            ["id"] = id,
            ["origin"] = Origin(engine),
            ["content"] = "bytes",
            ["keep"] = new JsonObject { ["last"] = keep },
        };
        await File.WriteAllTextAsync(path, order.ToJsonString(), cancellationToken);
        return path;
    }

    /// <summary>Whose the backups are.</summary>
    public static JsonObject Origin(string engine) => new() { ["namespace"] = "bench", ["stack"] = "bench", ["uid"] = "bench", ["engine"] = engine, ["engineVersion"] = "7.0" };

    /// <summary>What every command of the agent is given.</summary>
    public string[] Arguments(string order, string name) =>
        ["--order", order, "--store", Path.Combine(folder, "store"), "--ca", Path.Combine(store, "ca.crt"), "--report", Path.Combine(folder, $"report-{name}"), "--heartbeat", Path.Combine(folder, $"heartbeat-{name}")];

    /// <summary>Runs a script that knows the store as <c>store:</c>.</summary>
    public async Task<TimeSpan> ShellAsync(string name, string script, CancellationToken cancellationToken)
    {
        await using var shell = bench.StartPeer($"agent-{name}", "/usr/bin/env", "-u", "AWS_CA_BUNDLE", "bash", "-c", $"set -eao pipefail; . '{Settings}'; {script}");
        return await shell.EndAsync(cancellationToken);
    }
}
