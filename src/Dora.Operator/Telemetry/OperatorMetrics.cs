using System.Diagnostics.Metrics;
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
    public OperatorMetrics(HealthStore health)
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
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();
}
