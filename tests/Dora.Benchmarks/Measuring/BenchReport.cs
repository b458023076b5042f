using System.Text.Json.Serialization;

namespace Dora.Benchmarks.Measuring;

/// <summary>Everything that was measured in one run.</summary>
internal sealed record BenchReport(Machine Machine, double LoadAverageAfter, FooReport? Foos, StackReport? Stacks, IReadOnlyList<Target> Targets)
{
    private const int RequestsAboveObjects = 3;

    public static BenchReport Of(Machine machine, double loadAfter, FooReport? foos, StackReport? stacks) =>
        new(machine, loadAfter, foos, stacks, [.. Compared(foos), .. Absolute(stacks)]);

    private static IEnumerable<Target> Compared(FooReport? report)
    {
        if (report is not var (_, ours, peer))
            yield break;
        yield return Target.AtMost("wall, ours / sample-controller", ours.WallSeconds / peer.WallSeconds, 1);
        yield return Target.AtMost("CPU until the last status, ours / sample-controller", ours.CpuSeconds / peer.CpuSeconds, 1);
        yield return Target.AtMost("CPU until quiet, ours / sample-controller", ours.CpuQuietSeconds / peer.CpuQuietSeconds, 1);
        yield return Target.AtMost("peak memory, ours / sample-controller", ours.PeakMebibytes / peer.PeakMebibytes, 1);
    }

    private static IEnumerable<Target> Absolute(StackReport? report)
    {
        if (report is null)
            yield break;
        yield return Target.AtMost("requests per stack to converge", report.RequestsPerStack, report.ObjectsPerStack + RequestsAboveObjects);
        yield return Target.AtMost("writes in a forced resync", report.ResyncWrites, 0);
        yield return Target.AtMost("writes after an operator restart", report.RestartWrites, 0);
    }
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
internal sealed record FooReading(string Name, double WallSeconds, double CpuSeconds, double CpuQuietSeconds, bool BecameQuiet, double PeakMebibytes);

/// <summary>The operator over many stacks.</summary>
/// <param name="Stacks">How many.</param>
/// <param name="ObjectsPerStack">Objects with the operator's label, Secrets among them.</param>
/// <param name="RequestsPerStack">Reads and writes, without lists, watches and discovery.</param>
/// <param name="WritesPerStack">Writes among them: objects, status, events.</param>
/// <param name="RefusedRequests">Requests of all stacks that were not answered by 2xx.</param>
/// <param name="ConvergeSeconds">From the first stack's creation until the last request.</param>
/// <param name="ConvergeCpuSeconds">CPU of the operator since its start, until it had settled.</param>
/// <param name="ResyncWrites">Writes after a foreign change on one object of each stack.</param>
/// <param name="Latency">From the deletion of a Service until it exists again.</param>
/// <param name="ResidentMebibytes">Resident memory with all stacks converged.</param>
/// <param name="PeakMebibytes">Its peak over the whole run.</param>
/// <param name="StopSeconds">From SIGTERM to the end of the process.</param>
/// <param name="RestartWrites">Writes of a new process that finds everything converged.</param>
/// <param name="RestartReads">Its reads of single objects.</param>
internal sealed record StackReport(
    int Stacks,
    double ObjectsPerStack,
    double RequestsPerStack,
    double WritesPerStack,
    long RefusedRequests,
    double ConvergeSeconds,
    double ConvergeCpuSeconds,
    long ResyncWrites = 0,
    Latency? Latency = null,
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
internal sealed partial class ReportJson : JsonSerializerContext;
