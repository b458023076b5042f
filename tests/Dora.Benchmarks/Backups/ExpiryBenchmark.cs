using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Dora.Benchmarks.Measuring;

namespace Dora.Benchmarks.Backups;

/// <summary>How long it takes to remove backups that no rule keeps.</summary>
/// <param name="bench">What every benchmark needs.</param>
/// <param name="objects">How many objects they have; two each.</param>
/// <param name="store">Folder of a store that hack/object-store.sh started.</param>
internal sealed class ExpiryBenchmark(Bench bench, int objects, string store)
{
    private const string Engine = "expiry";
    private const int Keep = 24;

    private string Folder => bench.LogFile("expiry");

    public async Task<ExpiryReport> RunAsync(string program, CancellationToken cancellationToken)
    {
        bench.Say($"removing {objects} objects of old backups");
        Directory.CreateDirectory(Folder);
        var access = new BenchStore(bench, Folder, store);
        await access.PrepareAsync(cancellationToken);
        var backups = (objects / 2) + Keep;
        foreach (var hour in Enumerable.Range(0, backups))
            await WriteAsync(new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero).AddHours(hour), cancellationToken);
        await access.ShellAsync("expiry-fill", $"rclone copy --transfers 16 --no-check-dest --s3-no-head '{Folder}/backups' store:{BenchStore.Bucket}/bench/bench/{Engine}", cancellationToken);
        var order = await access.OrderAsync("20261121t030000z-bench", Engine, Keep, cancellationToken);
        await using var agent = bench.StartOurs("agent-expire", program, ["expire", .. access.Arguments(order, "expire")]);
        var peak = agent.PeakAsync(cancellationToken);
        var elapsed = await agent.EndAsync(cancellationToken);
        var report = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(Folder, "report-expire"), cancellationToken));
        var removed = (string?)report?["facts"]?["removed"];
        return removed == (backups - Keep).ToString(CultureInfo.InvariantCulture)
            ? new(objects, elapsed.TotalSeconds, await peak)
            : throw new InvalidOperationException($"{removed} backups were removed, and {backups - Keep} should be: {report}");
    }

    // Two objects, the manifest such as one of a tool that stores data by itself.
    private async Task WriteAsync(DateTimeOffset at, CancellationToken cancellationToken)
    {
        var id = string.Create(CultureInfo.InvariantCulture, $"{at:yyyyMMdd't'HHmmss'z'}-bench");
        var backup = Directory.CreateDirectory(Path.Combine(Folder, "backups", id)).FullName;
        var manifest = new JsonObject
        {
            ["format"] = 1,
            ["id"] = id,
            ["origin"] = BenchStore.Origin(Engine),
            ["content"] = "bytes",
            ["startedAt"] = at,
            ["finishedAt"] = at,
            ["key"] = new JsonObject { ["kind"] = "secret", ["id"] = "0", ["text"] = "" },
            ["plain"] = new JsonObject { ["bytes"] = 0, ["sha256"] = Convert.ToHexStringLower(SHA256.HashData([])) },
            ["objects"] = new JsonArray(),
            ["facts"] = new JsonObject(),
        };
        await File.WriteAllTextAsync(Path.Combine(backup, "manifest.json"), manifest.ToJsonString() + "\n{}\n", cancellationToken);
        await File.WriteAllBytesAsync(Path.Combine(backup, "data-00001"), new byte[1000], cancellationToken);
    }
}
