using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Transport;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Stacks;

/// <summary>
/// One pass over one stack: observe, plan, apply, probe, write the status if it changed. It only sequences; deciding is the
/// planner's, writing the executor's.
/// </summary>
public sealed partial class StackController(
    KubeClient client,
    StackObserver observer,
    StorageClasses classes,
    VaultSignatures signatures,
    DatabaseLoginSource logins,
    PlanExecutor executor,
    EngineProber prober,
    HealthStore health,
    TransportStore transport,
    WriteJournal journal,
    StackEvents events,
    EngineAnnouncements announcements,
    TimeProvider clock,
    ILogger<StackController> logger)
{
    // Services follow the role labels: until another primary carries its label, clients reach nobody.
    private static readonly TimeSpan AtOnce = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WhileWaiting = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan WhileStalled = TimeSpan.FromSeconds(30);

    /// <summary>Between probes of a stack that is ready; changes of its objects come sooner, by watch.</summary>
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(10);

    /// <summary>One pass.</summary>
    public async Task<Reconciled> ReconcileAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var observed = await observer.LoadAsync(key, cancellationToken).ConfigureAwait(false);
        if (observed is null || observed.Stack.Metadata.DeletionTimestamp is not null)
        {
            health.Forget(key);
            journal.Forget(key);
            transport.Forget(key);
            announcements.Forget(key);
            await executor.PruneAsync(key, StackPlanner.PlanAfterDeletion(observer.Left(key)), cancellationToken).ConfigureAwait(false);
            return Reconciled.Done;
        }

        var plan = StackPlanner.Plan(observed);
        if (plan.Unread.Count > 0 || plan.Unsigned.Count > 0 || plan.Questions.Count > 0)
        {
            observed = observed with
            {
                Classes = plan.Unread.Count > 0 ? await classes.ReadAsync(plan.Unread, cancellationToken).ConfigureAwait(false) : observed.Classes,
                Signed = plan.Unsigned.Count > 0 ? await signatures.AskAsync(observed, plan.Unsigned, cancellationToken).ConfigureAwait(false) : observed.Signed,
                Logins = plan.Questions.Count > 0 ? await logins.AskAsync(observed, plan.Questions, cancellationToken).ConfigureAwait(false) : observed.Logins,
            };
            plan = StackPlanner.Plan(observed);
        }

        announcements.Follow(key, plan, observed);
        var report = await executor.ExecuteAsync(observed, plan, cancellationToken).ConfigureAwait(false);
        var findings = await prober.ProbeAsync(observed, plan, cancellationToken).ConfigureAwait(false);
        var news = !Same(observed.Health, findings);
        var moved = findings.Any(found => found.Value.Primary is { } primary && observed.Health.GetValueOrDefault(found.Key) is { } before && before.Primary != primary);
        health.Set(key, findings);

        report = await executor.RotateAsync(report, observed, plan, cancellationToken).ConfigureAwait(false);
        news |= await transport.MeasureAsync(key, observed, plan, report, cancellationToken).ConfigureAwait(false);
        var status = StackStatus.Calculate(observed with { Ports = transport.Of(key) }, plan, report, findings, clock.GetUtcNow());
        events.Announce(observed.Stack, status, report);
        await WriteStatusAsync(key, observed.Stack, status, cancellationToken).ConfigureAwait(false);
        return Reconciled.After(moved ? AtOnce : Next(key, status, report, news));
    }

    // What was found or done just now feeds the next pass, which therefore comes soon.
    private static TimeSpan Next(ObjectKey key, ComplianceStackStatus status, ExecutionReport report, bool news)
    {
        if (news || report.Done.Count > 0 || report.Rotated.Count > 0)
            return Soon;
        if (status.Conditions.Find(ConditionTypes.Stalled)?.Status == Conditions.True)
            return WhileStalled;
        if (status.Conditions.Find(ConditionTypes.Ready)?.Status != Conditions.True)
            return WhileWaiting;
        // Stacks are probed at different moments, each always at its own.
        return ProbeInterval + TimeSpan.FromMilliseconds((uint)key.GetHashCode() % 2000);
    }

    private async Task WriteStatusAsync(ObjectKey key, ComplianceStack stack, ComplianceStackStatus status, CancellationToken cancellationToken)
    {
        var wanted = JsonSerializer.SerializeToNode(status, ApiJson.Wire.ComplianceStackStatus);
        if (stack.Status is { } current && StatusComparison.Same(JsonSerializer.SerializeToNode(current, ApiJson.Wire.ComplianceStackStatus), wanted))
            return;
        var body = new JsonObject
        {
            ["apiVersion"] = StackResource.ApiVersion,
            ["kind"] = StackResource.Kind,
            ["metadata"] = new JsonObject { ["name"] = key.Name, ["namespace"] = key.Namespace, ["uid"] = stack.Metadata.Uid },
            ["status"] = wanted,
        };
        try
        {
            var answer = await client.ApplyAsync(new(StackResource.Type.Resource, key.Namespace, key.Name, body), new(Force: true, Subresource: "status"), cancellationToken).ConfigureAwait(false);
            var version = answer.TryGetProperty("metadata", out var metadata) && metadata.TryGetProperty("resourceVersion", out var value) ? value.GetString() : null;
            journal.Written(key, stack.Metadata.Uid, status, version);
            LogStatus(logger, key, status.Conditions.Find(ConditionTypes.Ready)?.Reason ?? "", status.Conditions.Find(ConditionTypes.Ready)?.Message ?? "");
        }
        catch (KubeNotFoundException)
        {
            // Deleted meanwhile.
        }
    }

    private static bool Same(IReadOnlyDictionary<string, EngineHealth> before, IReadOnlyDictionary<string, EngineHealth> now) =>
        before.Count == now.Count && now.All(pair => before.TryGetValue(pair.Key, out var old) && Same(old, pair.Value));

    private static bool Same(EngineHealth before, EngineHealth now) =>
        before.Verdict == now.Verdict && before.Primary == now.Primary && before.Message == now.Message && before.Needs.SequenceEqual(now.Needs);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Stack}: {Reason} {Message}")]
    private static partial void LogStatus(ILogger logger, ObjectKey stack, string reason, string message);
}
