using System.Diagnostics.Metrics;
using Dora.Api;
using Dora.Engines;
using Dora.Operator.Stacks;

namespace Dora.Operator.Telemetry;

/// <summary>The operator's own instruments: how the engines are.</summary>
public sealed class OperatorMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Dora.Operator";

    private readonly Meter _meter = new(MeterName);

    /// <summary>Instruments over the last findings.</summary>
    /// <param name="health">How engines are.</param>
    /// <param name="stacks">All stacks, whose status says what is known of backups.</param>
    public OperatorMetrics(HealthStore health, Func<IEnumerable<ComplianceStack>> stacks)
    {
        _meter.CreateObservableGauge(
            "dora_engine_ready",
            () => health.All.Select(item => new Measurement<int>(item.Health.Verdict == EngineVerdict.Healthy ? 1 : 0, new("namespace", item.Stack.Namespace), new("stack", item.Stack.Name), new("engine", item.Engine))),
            description: "1 while every member of an engine serves.");
        _meter.CreateObservableGauge(
            "dora_member_lag_bytes",
            () => health.All.SelectMany(item => item.Health.Members.Where(member => member.LagBytes is not null).Select(member =>
                new Measurement<long>(member.LagBytes!.Value, new("namespace", item.Stack.Namespace), new("stack", item.Stack.Name), new("engine", item.Engine), new("pod", member.Pod)))),
            description: "Bytes a member is behind the primary.");
        _meter.CreateObservableGauge(
            "dora_member_data_bytes",
            () => health.All.SelectMany(item => item.Health.Members.Where(member => member.Volume is not null).Select(member =>
                new Measurement<long>(member.Volume!.UsedBytes, new("namespace", item.Stack.Namespace), new("stack", item.Stack.Name), new("engine", item.Engine), new("pod", member.Pod)))),
            description: "Bytes that the data of a member takes of its volume, by its own word.");
        _meter.CreateObservableGauge(
            "dora_backup_last_success_timestamp_seconds",
            () => Backups(stacks(), engine => engine.BackupAt?.ToUnixTimeSeconds()),
            description: "Unix time of the state that the newest backup of an engine holds; 0 while there is none.");
        _meter.CreateObservableGauge(
            "dora_backup_copy_last_success_timestamp_seconds",
            () => Copies(stacks()),
            description: "Unix time of the state that the newest backup of an engine in a copy holds; 0 while there is none.");
        _meter.CreateObservableGauge(
            "dora_drill_last_timestamp_seconds",
            () => Backups(stacks(), engine => engine.DrillAt?.ToUnixTimeSeconds()),
            description: "Unix time at which the last restore drill of an engine ended; 0 while there was none.");
        _meter.CreateObservableGauge(
            "dora_drill_passed",
            () => Backups(stacks(), engine => engine.DrillPassed == true ? 1 : 0),
            description: "1 while the last restore drill of an engine restored what had been backed up.");
    }

    // Of stacks with spec.backup only: without it the status has none.
    private static IEnumerable<Measurement<long>> Backups(IEnumerable<ComplianceStack> stacks, Func<EngineBackups, long?> value) =>
        from stack in stacks
        from engine in stack.Status?.Backups?.Engines ?? []
        select new Measurement<long>(value(engine) ?? 0, new("namespace", stack.Metadata.Namespace), new("stack", stack.Metadata.Name), new("engine", engine.Engine));

    private static IEnumerable<Measurement<long>> Copies(IEnumerable<ComplianceStack> stacks) =>
        from stack in stacks
        from engine in stack.Status?.Backups?.Engines ?? []
        from copy in engine.Copies ?? []
        select new Measurement<long>(copy.BackupAt?.ToUnixTimeSeconds() ?? 0, new("namespace", stack.Metadata.Namespace), new("stack", stack.Metadata.Name), new("engine", engine.Engine), new("copy", copy.Name));

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
