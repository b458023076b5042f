using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Benchmarks.Measuring;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Benchmarks.Stacks;

/// <summary>Many stacks and the real operator: what they cost to converge, and what they cost afterwards.</summary>
internal sealed class StackBenchmark(Bench bench, StackLoad load, int count, int samples)
{
    private const string ForeignAnnotation = "example.com/touched";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    public async Task<StackReport> RunAsync(string program, CancellationToken cancellationToken)
    {
        using var client = bench.Connect();
        await bench.EnsureNamespaceAsync(client, load.Namespace, cancellationToken);

        StackReport report;
        await using (var first = await OperatorUnderTest.StartAsync(bench, "operator", program, load.Namespace, cancellationToken))
        {
            var empty = first.Process.Memory().Resident;
            report = await ConvergeAsync(client, first, cancellationToken) with { EmptyMebibytes = empty };
            report = report with { ResyncWrites = await ResyncAsync(client, first, cancellationToken) };
            report = report with { Latency = await LatencyAsync(client, first, cancellationToken) };
            var memory = first.Process.Memory();
            bench.Say($"stopping the operator");
            var stop = await first.Process.StopAsync();
            report = report with { ResidentMebibytes = memory.Resident, PeakMebibytes = memory.Peak, StopSeconds = stop.TotalSeconds };
        }

        await using var second = await OperatorUnderTest.StartAsync(bench, "operator-restarted", program, load.Namespace, cancellationToken);
        return await RestartAsync(second, report, cancellationToken);
    }

    private async Task<StackReport> ConvergeAsync(KubeClient client, OperatorUnderTest subject, CancellationToken cancellationToken)
    {
        bench.Say($"creating {count} stacks of {load.Title}");
        var since = await subject.CountersAsync(cancellationToken);
        var began = bench.Clock.GetTimestamp();
        await bench.ForEachAsync(Enumerable.Range(0, count), async (i, token) => await client.CreateAsync(StackResource.Type, Stack(i), token), cancellationToken);
        var (counters, lastRequest) = await subject.SettleAsync(since, 2 * count, began, cancellationToken);
        var cpu = subject.Process.CpuSeconds();
        var objects = await CountObjectsAsync(client, cancellationToken);
        var statuses = await client.ListAsync(StackResource.Type, load.Namespace, new(), cancellationToken)
            .CountAsync(stack => stack.Status?.ObservedGeneration == stack.Metadata.Generation, cancellationToken);
        if (statuses != count)
            throw new InvalidOperationException($"the operator is quiet, but only {statuses} of {count} stacks have a status for their generation");
        bench.Say($"converged: {objects} objects, {counters.Writes - since.Writes} writes, {counters.Reads - since.Reads} reads, {lastRequest.TotalSeconds:f1} s");
        return new(
            load.Title,
            load.RequestsAboveObjects,
            count,
            objects / (double)count,
            (counters.Requests - since.Requests) / (double)count,
            (counters.Writes - since.Writes) / (double)count,
            counters.Refused - since.Refused,
            lastRequest.TotalSeconds,
            cpu);
    }

    /// <summary>A change that is none of the operator's business, on one object of each stack.</summary>
    private async Task<long> ResyncAsync(KubeClient client, OperatorUnderTest subject, CancellationToken cancellationToken)
    {
        bench.Say($"touching a foreign annotation on one Service of each stack");
        var since = await subject.CountersAsync(cancellationToken);
        var began = bench.Clock.GetTimestamp();
        var touch = KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [ForeignAnnotation] = "yes" } } });
        var touched = (await ServicesAsync(client, cancellationToken)).DistinctBy(service => service.Metadata.Label(Labels.Stack)).ToList();
        if (touched.Count != count)
            throw new InvalidOperationException($"{touched.Count} of {count} stacks have a Service");
        await bench.ForEachAsync(
            touched,
            async (service, token) => await client.PatchAsync(KubeTypes.Services, load.Namespace, service.Metadata.Name!, touch, token),
            cancellationToken);
        var (counters, _) = await subject.SettleAsync(since, 2 * count, began, cancellationToken);
        bench.Say($"resync: {counters.Passes - since.Passes} passes, {counters.Writes - since.Writes} writes");
        return counters.Writes - since.Writes;
    }

    /// <summary>From the sending of a delete until a watch shows the object again.</summary>
    private async Task<Latency> LatencyAsync(KubeClient client, OperatorUnderTest subject, CancellationToken cancellationToken)
    {
        var services = await ServicesAsync(client, cancellationToken);
        var victims = Math.Min(samples, services.Count);
        bench.Say($"deleting {victims} Services, one after the other");
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var returns = new ReturnWatch(client, load.Namespace, bench.Clock);
        var watch = returns.RunAsync(watching.Token);
        await returns.Synced.WaitAsync(cancellationToken);
        var times = new List<double>(victims);
        for (var i = 0; i < victims; i++)
        {
            // Spread over all stacks and over the Services of a stack, each but once.
            var victim = services[i * services.Count / victims].Metadata.Name!;
            var back = returns.Expect(victim);
            var deleted = bench.Clock.GetTimestamp();
            await client.DeleteAsync(KubeTypes.Services.Resource, load.Namespace, victim, new(), cancellationToken);
            times.Add(bench.Clock.GetElapsedTime(deleted, await SeenAsync(client, subject, victim, back, cancellationToken)).TotalMilliseconds);
        }

        await watching.CancelAsync();
        await watch;
        return Latency.Of(times);
    }

    private async Task<long> SeenAsync(KubeClient client, OperatorUnderTest subject, string victim, Task<long> back, CancellationToken cancellationToken)
    {
        try
        {
            return await back.WaitAsync(Patience, bench.Clock, cancellationToken);
        }
        catch (TimeoutException fault)
        {
            // Who is late: the operator that did not write, or the watch that did not tell?
            var there = await client.FindAsync(KubeTypes.Services, load.Namespace, victim, cancellationToken);
            throw new TimeoutException(
                $"the deleted Service {victim} was not seen again within {Patience.TotalSeconds} s; it exists: {there is not null}, made {there?.Metadata.CreationTimestamp:O}, now {bench.Clock.GetUtcNow():O}\n{await subject.StateAsync(cancellationToken)}\nits log is operator.log",
                fault);
        }
    }

    private async Task<StackReport> RestartAsync(OperatorUnderTest subject, StackReport report, CancellationToken cancellationToken)
    {
        bench.Say($"the operator is ready again {subject.Process.Elapsed.TotalSeconds:f1} s after its start");
        var began = bench.Clock.GetTimestamp();
        var (counters, _) = await subject.SettleAsync(new(0, 0, 0, 0), 2 * count, began, cancellationToken);
        bench.Say($"after the restart: {counters.Passes} passes, {counters.Writes} writes, {counters.Reads} reads");
        var peak = Math.Max(report.PeakMebibytes, subject.Process.Memory().Peak);
        return report with { RestartWrites = counters.Writes, RestartReads = counters.Reads, PeakMebibytes = peak };
    }

    private ComplianceStack Stack(int i) => new(new($"stack-{i}", load.Namespace), new(load.Tier, load.Engines));

    private async Task<List<Service>> ServicesAsync(KubeClient client, CancellationToken cancellationToken) =>
        await client.ListAsync(KubeTypes.Services, load.Namespace, new(Labels.ManagedSelector), cancellationToken).ToListAsync(cancellationToken);

    private async Task<long> CountObjectsAsync(KubeClient client, CancellationToken cancellationToken)
    {
        var budgets = await client.ServesAsync(KubeTypes.PodDisruptionBudgets.Resource, cancellationToken)
            ? KubeTypes.PodDisruptionBudgets
            : KubeTypes.PodDisruptionBudgetsBeta;
        return await OfAsync(KubeTypes.StatefulSets) + await OfAsync(KubeTypes.Services) + await OfAsync(KubeTypes.ConfigMaps)
            + await OfAsync(KubeTypes.Secrets) + await OfAsync(KubeTypes.ServiceAccounts) + await OfAsync(KubeTypes.Roles)
            + await OfAsync(KubeTypes.RoleBindings) + await OfAsync(KubeTypes.NetworkPolicies) + await OfAsync(budgets);

        async Task<long> OfAsync<T>(KubeType<T> type)
            where T : class, IKubeObject =>
            await client.ListAsync(type, load.Namespace, new(Labels.ManagedSelector), cancellationToken).LongCountAsync(cancellationToken);
    }

    /// <summary>Tells when a Service of that name exists anew.</summary>
    private sealed class ReturnWatch
    {
        private readonly Lock _lock = new();
        private readonly Informer<Service> _informer;
        private readonly HashSet<string> _gone = new(StringComparer.Ordinal);
        private string? _expected;
        private TaskCompletionSource<long> _back = new();

        public ReturnWatch(KubeClient client, string ns, TimeProvider clock)
        {
            _informer = new(client, KubeTypes.Services, new(ns, Labels.ManagedSelector), clock, NullLogger.Instance);
            _informer.Subscribe(change =>
            {
                lock (_lock)
                {
                    if (change.Key.Name != _expected)
                        return;
                    if (change.New is null)
                        _gone.Add(change.Key.Name);
                    else if (_gone.Remove(change.Key.Name))
                        _back.TrySetResult(clock.GetTimestamp());
                }
            });
        }

        public Task Synced => _informer.Synced;

        public Task<long> Expect(string name)
        {
            lock (_lock)
            {
                _expected = name;
                _gone.Clear();
                _back = new(TaskCreationOptions.RunContinuationsAsynchronously);
                return _back.Task;
            }
        }

        public Task RunAsync(CancellationToken cancellationToken) => _informer.RunAsync(cancellationToken);
    }
}
