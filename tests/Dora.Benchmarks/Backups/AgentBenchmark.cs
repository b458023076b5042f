using Dora.Benchmarks.Measuring;

namespace Dora.Benchmarks.Backups;

/// <summary>
/// The agent beside a pipeline of the best shell tools (zstd, openssl, rclone), on the same data and the same object store. The pipeline
/// encrypts without proving anything of what it encrypted; the agent seals, and reads its manifest back.
/// </summary>
/// <param name="bench">What every benchmark needs.</param>
/// <param name="mebibytes">How much data; half of it can be compressed.</param>
/// <param name="store">Folder of a store that hack/object-store.sh started.</param>
internal sealed class AgentBenchmark(Bench bench, int mebibytes, string store)
{
    private const int Block = 1024 * 1024;

    private string Folder => bench.LogFile("agent");

    private string Data => Path.Combine(Folder, "data.bin");

    private BenchStore Store => new(bench, Folder, store);

    public async Task<AgentReport> RunAsync(string program, CancellationToken cancellationToken)
    {
        bench.Say($"backing up and restoring {mebibytes} MiB, four times each");
        await WriteDataAsync(cancellationToken);
        await Store.PrepareAsync(cancellationToken);
        // Neither gains by its place.
        var first = await OursAsync(program, 1, cancellationToken);
        var peers = new[] { await PeerAsync(1, cancellationToken), await PeerAsync(2, cancellationToken) };
        var second = await OursAsync(program, 2, cancellationToken);
        return new(
            mebibytes,
            Mean(first.Backup.Seconds, second.Backup.Seconds),
            Mean(peers[0].Backup, peers[1].Backup),
            Mean(first.Restore.Seconds, second.Restore.Seconds),
            Mean(peers[0].Restore, peers[1].Restore),
            Math.Max(first.Backup.Peak, second.Backup.Peak),
            Math.Max(first.Restore.Peak, second.Restore.Peak));
    }

    private async Task<(AgentReading Backup, AgentReading Restore)> OursAsync(string program, int round, CancellationToken cancellationToken)
    {
        var order = await Store.OrderAsync($"20261121t03000{round}z-bench", "redis", keep: 0, cancellationToken);
        return (
            await RunAsync(program, "backup", order, $"backup-{round}", "cat \"$DATA\" >\"$STAGE/data\"", cancellationToken),
            await RunAsync(program, "restore", order, $"restore-{round}", "cat \"$STAGE/data\" >/dev/null", cancellationToken));
    }

    private async Task<AgentReading> RunAsync(string program, string command, string order, string name, string tool, CancellationToken cancellationToken)
    {
        var stage = Directory.CreateDirectory(Path.Combine(Folder, name)).FullName;
        await Store.ShellAsync($"{name}-stage", $"'{program}' stage --stage '{stage}'", cancellationToken);
        await using var other = bench.StartPeer($"agent-{name}-tool", "/usr/bin/env", $"STAGE={stage}", $"DATA={Data}", "bash", "-c", $"set -e; {tool}; echo exit=0 >\"$STAGE/outcome.new\"; mv \"$STAGE/outcome.new\" \"$STAGE/outcome\"");
        await using var agent = bench.StartOurs($"agent-{name}", program, [command, .. Store.Arguments(order, name), "--keys", Store.Keys, "--stage", stage]);
        var peak = agent.PeakAsync(cancellationToken);
        var elapsed = await agent.EndAsync(cancellationToken);
        await other.EndAsync(cancellationToken);
        return new(elapsed.TotalSeconds, await peak);
    }

    private async Task<(double Backup, double Restore)> PeerAsync(int round, CancellationToken cancellationToken)
    {
        const string Cipher = "openssl enc -aes-256-ctr -K 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000";
        var backup = await Store.ShellAsync($"peer-backup-{round}", $"cat '{Data}' | zstd -3 -c | {Cipher} | rclone rcat store:{BenchStore.Bucket}/peer-{round}", cancellationToken);
        var restore = await Store.ShellAsync($"peer-restore-{round}", $"rclone cat store:{BenchStore.Bucket}/peer-{round} | {Cipher} -d | zstd -dc >/dev/null", cancellationToken);
        return (backup.TotalSeconds, restore.TotalSeconds);
    }

    private async Task WriteDataAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Folder);
        // What repeats is beside what cannot be compressed, as in a database.
        var random = new Random(17);
        var block = new byte[Block];
        await using var file = File.Create(Data);
        for (var written = 0; written < mebibytes; written++)
        {
            random.NextBytes(block.AsSpan(0, Block / 2));
            for (var at = Block / 2; at < Block; at++)
                block[at] = (byte)('a' + (random.Next(1 << 16) >> 13));
            await file.WriteAsync(block, cancellationToken);
        }
    }

    private static double Mean(double one, double other) => (one + other) / 2;

    private sealed record AgentReading(double Seconds, double Peak);
}
