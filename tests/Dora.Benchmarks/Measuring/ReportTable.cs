using System.Globalization;
using System.Text;

namespace Dora.Benchmarks.Measuring;

/// <summary>The report for people, as Markdown tables that also read well in a terminal.</summary>
internal static class ReportTable
{
    public static string Render(BenchReport report)
    {
        var text = new StringBuilder();
        Line(text, $"{report.Machine.Cores} cores of {report.Machine.Processor}, load average {report.Machine.LoadAverage:f1} before, {report.LoadAverageAfter:f1} after");
        if (report.Foos is { } foos)
            Foos(text, foos);
        foreach (var stacks in report.Stacks)
            Stacks(text, stacks);
        if (report.Vault is { } vault)
            Vault(text, vault);
        if (report.Agent is { } agent)
            Agent(text, agent);
        if (report.Expiry is { } expiry)
            Expiry(text, expiry);
        if (report.Pods is { } pods)
            Pods(text, pods);
        Line(text, $"");
        Rows(
            text,
            ["plan of a five-engine Production stack, median of 5", "ms"],
            [["start of the program included", Number(report.Plan.WholeMilliseconds)], ["each further stack", Number(report.Plan.EachMilliseconds)]]);
        Line(text, $"");
        Rows(text, ["target", "measured", "at most", ""], [.. report.Targets.Select(target => new[] { target.Name, Number(target.Measured), Number(target.Limit), target.Met ? "met" : "MISSED" })]);
        return text.ToString();
    }

    private static void Agent(StringBuilder text, AgentReport report)
    {
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"{report.Mebibytes} MiB"), "dora-agent", "zstd, openssl, rclone", "ratio"],
            [
                Compare("backup, s", report.BackupSeconds, report.PeerBackupSeconds),
                Compare("restore, s", report.RestoreSeconds, report.PeerRestoreSeconds),
                ["peak memory of a backup, MiB", Number(report.BackupPeakMebibytes), "-", "-"],
                ["peak memory of a restore, MiB", Number(report.RestorePeakMebibytes), "-", "-"],
            ]);
    }

    private static void Expiry(StringBuilder text, ExpiryReport report)
    {
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"{report.Objects} objects of old backups"), "measured"],
            [["until they are gone, s", Number(report.Seconds)], ["peak memory of dora-agent, MiB", Number(report.PeakMebibytes)]]);
    }

    private static void Pods(StringBuilder text, PodReport report)
    {
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"outage that a writing client sees, {report.Rounds} rounds, s"), "median", "worst"],
            [
                Spread("PostgreSQL, primary frozen", report.PostgresFrozenSeconds),
                Spread("PostgreSQL, primary killed", report.PostgresKilledSeconds),
                Spread("Redis, master frozen", report.RedisFrozenSeconds),
                Spread("Redis, master killed", report.RedisKilledSeconds),
            ]);
        Line(text, $"");
        Rows(text, ["from the wish for another password until it is in use", "s"], [["PostgreSQL", Number(report.PostgresRotationSeconds)], ["Redis", Number(report.RedisRotationSeconds)]]);
        Line(text, $"");
        Rows(text, [string.Create(CultureInfo.InvariantCulture, $"backup of {report.BackupMebibytes} MiB of PostgreSQL, s"), "ours", "pgBackRest alone", "ratio"], [Compare("wall", report.BackupSeconds, report.PgBackRestSeconds)]);
    }

    private static string[] Spread(string name, IReadOnlyList<double> seconds) => [name, Number(PodReport.Median(seconds)), Number(seconds.Max())];

    private static string[] Compare(string name, double ours, double peer) => [name, Number(ours), Number(peer), Number(ours / peer)];

    private static void Foos(StringBuilder text, FooReport report)
    {
        var (ours, peer) = (report.Ours, report.Peer);
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"{report.Foos} Foos, 2 workers"), ours.Name, peer.Name, "ratio"],
            [
                Compare("wall until the last status, s", ours.WallSeconds, peer.WallSeconds),
                Compare("CPU until then, s", ours.CpuSeconds, peer.CpuSeconds),
                Compare("CPU until quiet, s", ours.CpuQuietSeconds, peer.CpuQuietSeconds),
                Compare("peak memory, MiB", ours.PeakMebibytes, peer.PeakMebibytes),
            ]);
        foreach (var loud in new[] { ours, peer }.Where(reading => !reading.BecameQuiet))
            Line(text, $"{loud.Name} was not quiet within a minute: its CPU until quiet is that of its first minute.");
    }

    private static void Stacks(StringBuilder text, StackReport report)
    {
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"{report.Stacks} stacks of {report.Title}"), "measured"],
            [
                ["objects per stack", Number(report.ObjectsPerStack)],
                ["requests per stack to converge", Number(report.RequestsPerStack)],
                ["of these, writes", Number(report.WritesPerStack)],
                ["requests that were refused, all stacks", Number(report.RefusedRequests)],
                ["time until all converged, s", Number(report.ConvergeSeconds)],
                ["CPU until settled, s", Number(report.ConvergeCpuSeconds)],
                ["writes in a forced resync", Number(report.ResyncWrites)],
                ["writes after an operator restart", Number(report.RestartWrites)],
                ["reads after an operator restart", Number(report.RestartReads)],
                ["deleted Service is back, p50, ms", Number(report.Latency?.P50Milliseconds)],
                ["deleted Service is back, p99, ms", Number(report.Latency?.P99Milliseconds)],
                ["resident memory before the first stack, MiB", Number(report.EmptyMebibytes)],
                ["resident memory, MiB", Number(report.ResidentMebibytes)],
                ["of that, for each stack, KiB", Number((report.ResidentMebibytes - report.EmptyMebibytes) * 1024 / report.Stacks)],
                ["peak memory, MiB", Number(report.PeakMebibytes)],
                ["SIGTERM until ended, s", Number(report.StopSeconds)],
            ]);
    }

    private static void Vault(StringBuilder text, VaultReport report)
    {
        Line(text, $"");
        Rows(
            text,
            [string.Create(CultureInfo.InvariantCulture, $"{report.Stacks} stacks with Vault"), "measured"],
            [
                ["Secrets per stack whose passwords Vault holds", Number(report.SecretsPerStack)],
                ["requests to Vault per stack until it has all", Number(report.RequestsToConverge)],
                ["requests to Vault per stack and hour at rest", Number(report.RequestsPerStackAndHour)],
                ["of these for certificates, all stacks", Number(report.SignedAtRest)],
            ]);
    }

    private static void Rows(StringBuilder text, string[] header, IReadOnlyList<string[]> rows)
    {
        var widths = header.Select((_, column) => rows.Append(header).Max(row => row[column].Length)).ToArray();
        Row(header);
        Row([.. widths.Select((width, column) => column == 0 ? new string('-', width) : new string('-', Math.Max(width - 1, 1)) + ":")]);
        foreach (var row in rows)
            Row(row);

        // Words to the left, numbers to the right.
        void Row(string[] cells) => Line(text, $"| {string.Join(" | ", cells.Select((cell, column) => column == 0 ? cell.PadRight(widths[column]) : cell.PadLeft(widths[column])))} |");
    }

    private static string Number(double? value) => value?.ToString("0.##", CultureInfo.InvariantCulture) ?? "-";

    private static void Line(StringBuilder text, FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
