using System.Text.Json.Serialization;

namespace Dora.Benchmarks.Measuring;

/// <summary>Everything that was measured in one run.</summary>
internal sealed record BenchReport(Machine Machine, double LoadAverageAfter, FooReport? Foos, IReadOnlyList<StackReport> Stacks, PlanReport Plan, VaultReport? Vault, AgentReport? Agent, ExpiryReport? Expiry, PodReport? Pods, IReadOnlyList<Target> Targets)
{
    public static BenchReport Of(Machine machine, double loadAfter, FooReport? foos, IReadOnlyList<StackReport> stacks, PlanReport plan, VaultReport? vault, AgentReport? agent, ExpiryReport? expiry, PodReport? pods) =>
        new(machine, loadAfter, foos, stacks, plan, vault, agent, expiry, pods, [.. Compared(foos), .. stacks.SelectMany(Absolute), .. Absolute(plan), .. vault is null ? [] : Absolute(vault), .. agent is null ? [] : Compared(agent), .. expiry is null ? [] : Absolute(expiry), .. pods is null ? [] : Absolute(pods)]);

    private static IEnumerable<Target> Compared(FooReport? report)
    {
        if (report is not var (_, ours, peer))
            yield break;
        yield return Target.AtMost("wall, ours / sample-controller", ours.WallSeconds / peer.WallSeconds, 1);
        yield return Target.AtMost("CPU until the last status, ours / sample-controller", ours.CpuSeconds / peer.CpuSeconds, 1);
        yield return Target.AtMost("CPU until quiet, ours / sample-controller", ours.CpuQuietSeconds / peer.CpuQuietSeconds, 1);
        yield return Target.AtMost("peak memory, ours / sample-controller", ours.PeakMebibytes / peer.PeakMebibytes, 1);
    }

    private static IEnumerable<Target> Absolute(StackReport report) =>
    [
        Target.AtMost($"{report.Title}: requests per stack to converge", report.RequestsPerStack, report.ObjectsPerStack + report.RequestsAboveObjects),
        Target.AtMost($"{report.Title}: writes in a forced resync", report.ResyncWrites, 0),
        Target.AtMost($"{report.Title}: writes after an operator restart", report.RestartWrites, 0),
    ];

    private static IEnumerable<Target> Absolute(VaultReport report) =>
    [
        // Each Secret's version is looked at in half a minute at most; a tenth more for the edges of the time that is counted.
        Target.AtMost("requests to Vault per stack and hour at rest", report.RequestsPerStackAndHour, report.SecretsPerStack * 120 * 1.1),
        Target.AtMost("certificates that Vault signed at rest", report.SignedAtRest, 0),
    ];

    private static IEnumerable<Target> Compared(AgentReport report) =>
    [
        // Nine tenths of the throughput.
        Target.AtMost("backup, wall, agent / zstd | openssl | rclone", report.BackupSeconds / report.PeerBackupSeconds, 1 / 0.9),
        Target.AtMost("restore, wall, agent / rclone | openssl | zstd", report.RestoreSeconds / report.PeerRestoreSeconds, 1 / 0.9),
        Target.AtMost("peak memory of the agent, MiB", Math.Max(report.BackupPeakMebibytes, report.RestorePeakMebibytes), 128),
    ];

    private static IEnumerable<Target> Absolute(ExpiryReport report) =>
    [
        Target.AtMost("expiry, s for each 10,000 objects", report.Seconds * 10_000 / report.Objects, 30),
        Target.AtMost("peak memory of an expiry, MiB", report.PeakMebibytes, 128),
    ];

    private static IEnumerable<Target> Absolute(PodReport report) =>
    [
        Target.AtMost("PostgreSQL, primary frozen, outage seen by a client, median, s", PodReport.Median(report.PostgresFrozenSeconds), 30),
        Target.AtMost("PostgreSQL, primary killed, outage seen by a client, median, s", PodReport.Median(report.PostgresKilledSeconds), 30),
        Target.AtMost("Redis, master frozen, outage seen by a client, median, s", PodReport.Median(report.RedisFrozenSeconds), 10),
        Target.AtMost("Redis, master killed, outage seen by a client, median, s", PodReport.Median(report.RedisKilledSeconds), 10),
        Target.AtMost("backup of PostgreSQL, wall, ours / pgBackRest alone", report.BackupSeconds / report.PgBackRestSeconds, 1.05),
    ];

    private static IEnumerable<Target> Absolute(PlanReport report) =>
    [
        Target.AtMost("plan, start of the program included, ms", report.WholeMilliseconds, 1000),
        Target.AtMost("plan of one more stack, ms", report.EachMilliseconds, 50),
    ];
}

/// <summary>A number that must not be greater than its limit.</summary>
internal sealed record Target(string Name, double Measured, double Limit, bool Met)
{
    public static Target AtMost(string name, double measured, double limit) => new(name, measured, limit, measured <= limit);
}

/// <summary>Our controller beside Kubernetes' own, on the same Foos.</summary>
internal sealed record FooReport(int Foos, FooReading Ours, FooReading Peer);

/// <summary>What one controller used.</summary>
/// <param name="Name">The program.</param>
/// <param name="WallSeconds">From just before its start until the last Foo has its status.</param>
/// <param name="CpuSeconds">User and system time until then.</param>
/// <param name="CpuQuietSeconds">The same until it used no more than 20 ms in a second: with the events and passes that trail behind.</param>
/// <param name="BecameQuiet">Whether that came within a minute.</param>
/// <param name="PeakMebibytes">Peak of resident memory.</param>
internal sealed record FooReading(string Name, double WallSeconds, double CpuSeconds, double CpuQuietSeconds, bool BecameQuiet, double PeakMebibytes)
{
    /// <summary>Of two rounds of the same program; of the peaks, the greater.</summary>
    public static FooReading Mean(FooReading first, FooReading second) => new(
        first.Name,
        (first.WallSeconds + second.WallSeconds) / 2,
        (first.CpuSeconds + second.CpuSeconds) / 2,
        (first.CpuQuietSeconds + second.CpuQuietSeconds) / 2,
        first.BecameQuiet && second.BecameQuiet,
        Math.Max(first.PeakMebibytes, second.PeakMebibytes));
}

/// <summary><c>plan</c> of a five-engine Production stack; medians of five.</summary>
/// <param name="WholeMilliseconds">One stack, start of the program included.</param>
/// <param name="EachMilliseconds">Each further stack of the same file, printing included.</param>
internal sealed record PlanReport(double WholeMilliseconds, double EachMilliseconds);

/// <summary>Stacks of two engines with passwords and certificates from a scripted Vault.</summary>
/// <param name="Stacks">How many.</param>
/// <param name="SecretsPerStack">Secrets whose passwords Vault holds.</param>
/// <param name="RequestsToConverge">Requests of each until nothing was written to Vault any more.</param>
/// <param name="RequestsPerStackAndHour">Requests of each at rest, extrapolated to an hour.</param>
/// <param name="SignedAtRest">Requests to sign certificates at rest, all stacks.</param>
internal sealed record VaultReport(int Stacks, double SecretsPerStack, double RequestsToConverge, double RequestsPerStackAndHour, int SignedAtRest);

/// <summary>The agent beside a pipeline of shell tools; means of two.</summary>
/// <param name="Mebibytes">How much data.</param>
/// <param name="BackupSeconds">The agent, from its start until its manifest was read back.</param>
/// <param name="PeerBackupSeconds">The pipeline, into the same store.</param>
/// <param name="RestoreSeconds">The agent, every byte checked.</param>
/// <param name="PeerRestoreSeconds">The pipeline, nothing checked.</param>
/// <param name="BackupPeakMebibytes">Peak of the agent's resident memory in a backup.</param>
/// <param name="RestorePeakMebibytes">The same in a restore.</param>
internal sealed record AgentReport(int Mebibytes, double BackupSeconds, double PeerBackupSeconds, double RestoreSeconds, double PeerRestoreSeconds, double BackupPeakMebibytes, double RestorePeakMebibytes);

/// <summary>Old backups that no rule keeps.</summary>
/// <param name="Objects">How many objects they have; two each.</param>
/// <param name="Seconds">From the agent's start until they were gone.</param>
/// <param name="PeakMebibytes">Peak of its resident memory.</param>
internal sealed record ExpiryReport(int Objects, double Seconds, double PeakMebibytes);

/// <summary>What clients on real pods saw: PostgreSQL with three members and a synchronous standby, Redis with three Sentinels, all on one node.</summary>
/// <param name="Rounds">Faults of each kind.</param>
/// <param name="PostgresFrozenSeconds">Longest time without a committed write while the primary is frozen and another takes its place; one for each round.</param>
/// <param name="PostgresKilledSeconds">The same while its processes are killed.</param>
/// <param name="RedisFrozenSeconds">Longest time without a write that a replica has too.</param>
/// <param name="RedisKilledSeconds">The same while the master's processes are killed.</param>
/// <param name="PostgresRotationSeconds">From the wish for another password until consumers find it, and every member takes it.</param>
/// <param name="RedisRotationSeconds">The same.</param>
/// <param name="BackupMebibytes">Data of a PostgreSQL that is backed up whole.</param>
/// <param name="BackupSeconds">From the first look at the servers until the manifest is read back; the pod's start is left out. Whole seconds.</param>
/// <param name="PgBackRestSeconds">What pgBackRest says that it took of that.</param>
internal sealed record PodReport(
    int Rounds,
    IReadOnlyList<double> PostgresFrozenSeconds,
    IReadOnlyList<double> PostgresKilledSeconds,
    IReadOnlyList<double> RedisFrozenSeconds,
    IReadOnlyList<double> RedisKilledSeconds,
    double PostgresRotationSeconds,
    double RedisRotationSeconds,
    int BackupMebibytes,
    double BackupSeconds,
    double PgBackRestSeconds)
{
    /// <summary>The middle one; of an even number, the greater of the two.</summary>
    public static double Median(IReadOnlyCollection<double> seconds) => seconds.Order().ElementAt(seconds.Count / 2);
}

/// <summary>The operator over many stacks.</summary>
/// <param name="Title">What is in a stack.</param>
/// <param name="RequestsAboveObjects">Requests allowed beside one for each object.</param>
/// <param name="Stacks">How many.</param>
/// <param name="ObjectsPerStack">Objects with the operator's label, Secrets among them.</param>
/// <param name="RequestsPerStack">Reads and writes, without lists, watches and discovery.</param>
/// <param name="WritesPerStack">Writes among them: objects, status, events.</param>
/// <param name="RefusedRequests">Requests of all stacks that were not answered by 2xx.</param>
/// <param name="ConvergeSeconds">From the first stack's creation until the last request.</param>
/// <param name="ConvergeCpuSeconds">CPU of the operator since its start, until it had settled.</param>
/// <param name="ResyncWrites">Writes after a foreign change on one object of each stack.</param>
/// <param name="Latency">From the deletion of a Service until it exists again.</param>
/// <param name="EmptyMebibytes">Resident memory before the first stack.</param>
/// <param name="ResidentMebibytes">Resident memory with all stacks converged.</param>
/// <param name="PeakMebibytes">Its peak over the whole run.</param>
/// <param name="StopSeconds">From SIGTERM to the end of the process.</param>
/// <param name="RestartWrites">Writes of a new process that finds everything converged.</param>
/// <param name="RestartReads">Its reads of single objects.</param>
internal sealed record StackReport(
    string Title,
    int RequestsAboveObjects,
    int Stacks,
    double ObjectsPerStack,
    double RequestsPerStack,
    double WritesPerStack,
    long RefusedRequests,
    double ConvergeSeconds,
    double ConvergeCpuSeconds,
    long ResyncWrites = 0,
    Latency? Latency = null,
    double EmptyMebibytes = 0,
    double ResidentMebibytes = 0,
    double PeakMebibytes = 0,
    double StopSeconds = 0,
    long RestartWrites = 0,
    long RestartReads = 0);

/// <summary>Quantiles of samples in milliseconds (nearest rank).</summary>
internal sealed record Latency(int Samples, double P50Milliseconds, double P99Milliseconds, double MaxMilliseconds)
{
    public static Latency Of(IReadOnlyCollection<double> milliseconds)
    {
        var sorted = milliseconds.Order().ToList();
        return new(sorted.Count, Rank(0.5), Rank(0.99), sorted[^1]);

        double Rank(double quantile) => sorted[(int)Math.Ceiling(quantile * sorted.Count) - 1];
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(BenchReport))]
[JsonSerializable(typeof(PodReport))]
internal sealed partial class ReportJson : JsonSerializerContext;
