using Dora.Benchmarks.Measuring;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Benchmarks.Foos;

/// <summary>
/// The same Foos for our runtime and for sample-controller: ours, the peer, the peer, ours. So neither gains by its place, though the
/// API server warms up, and grows, from round to round. What is reported is the mean of two rounds.
/// </summary>
internal sealed class FooBenchmark(Bench bench, int count)
{
    private const string Namespace = "bench-foos";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan QuietLimit = TimeSpan.FromMinutes(1);

    public async Task<FooReport> RunAsync(string sampleController, CancellationToken cancellationToken)
    {
        using var client = bench.Connect();
        await bench.EnsureNamespaceAsync(client, Namespace, cancellationToken);
        var self = Environment.ProcessPath ?? throw new InvalidOperationException("the path of this program is not known");
        var ours = await OursAsync();
        var peer = FooReading.Mean(await PeerAsync(), await PeerAsync());
        return new(count, FooReading.Mean(ours, await OursAsync()), peer);

        Task<FooReading> OursAsync() => MeasureAsync(client, "dora-foo-controller", () => bench.StartOurs("foo-controller", self, "foo-controller", bench.Kubeconfig), cancellationToken);

        Task<FooReading> PeerAsync() => MeasureAsync(client, "sample-controller", () => bench.StartPeer("sample-controller", sampleController, "-kubeconfig", bench.Kubeconfig), cancellationToken);
    }

    private async Task<FooReading> MeasureAsync(KubeClient client, string name, Func<SubjectProcess> start, CancellationToken cancellationToken)
    {
        bench.Say($"{name}: creating {count} Foos");
        await bench.ForEachAsync(
            Enumerable.Range(0, count),
            async (i, token) => await client.CreateAsync(Foo.Type, new Foo(new($"foo-{i}", Namespace), new($"deployment-{i}", 1)), token),
            cancellationToken);
        var statuses = new StatusWatch(client, bench.Clock, count);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var watch = statuses.RunAsync(watching.Token);
        await statuses.Synced.WaitAsync(cancellationToken);

        var reading = await ReadAsync(client, name, start, statuses, cancellationToken);
        await watching.CancelAsync();
        await watch;
        await CleanAsync(client, name, cancellationToken);
        return reading;
    }

    private async Task<FooReading> ReadAsync(KubeClient client, string name, Func<SubjectProcess> start, StatusWatch statuses, CancellationToken cancellationToken)
    {
        bench.Say($"{name}: started");
        await using var subject = start();
        await WaitAsync(subject, statuses, cancellationToken);
        var wall = subject.Elapsed;
        var cpu = subject.CpuSeconds();
        bench.Say($"{name}: all statuses after {wall.TotalSeconds:f2} s; waiting until it is quiet");
        var quiet = await subject.QuietAsync(QuietLimit, cancellationToken);
        var cpuQuiet = subject.CpuSeconds();
        var memory = subject.Memory();
        var deployments = await client.ListAsync(KubeTypes.Deployments, Namespace, new(), cancellationToken).CountAsync(cancellationToken);
        if (deployments != count)
            throw new InvalidOperationException($"{name} says it is done, but made {deployments} Deployments for {count} Foos");
        return new(name, wall.TotalSeconds, cpu, cpuQuiet, quiet, memory.Peak);
    }

    private async Task WaitAsync(SubjectProcess subject, StatusWatch statuses, CancellationToken cancellationToken)
    {
        while (true)
        {
            subject.RequireRunning();
            if (await Task.WhenAny(statuses.All, bench.PauseAsync(1, cancellationToken)) == statuses.All)
                return;
            cancellationToken.ThrowIfCancellationRequested();
            if (subject.Elapsed > Limit)
                throw new TimeoutException($"only {statuses.Written} of {count} Foos have a status after {Limit.TotalMinutes} minutes");
        }
    }

    // Nobody collects garbage on this API server, so that each kind is deleted by itself; no finalizer delays it.
    private async Task CleanAsync(KubeClient client, string name, CancellationToken cancellationToken)
    {
        bench.Say($"{name}: deleting what it made");
        await DeleteAsync(KubeTypes.Deployments);
        await DeleteAsync(Foo.Type);

        async Task DeleteAsync<T>(KubeType<T> type)
            where T : class, IKubeObject
        {
            var names = await client.ListAsync(type, Namespace, new(), cancellationToken).Select(value => value.Metadata.Name!).ToListAsync(cancellationToken);
            await bench.ForEachAsync(names, async (item, token) => await client.DeleteAsync(type.Resource, Namespace, item, new(), token), cancellationToken);
            if (await client.ListAsync(type, Namespace, new(), cancellationToken).AnyAsync(cancellationToken))
                throw new InvalidOperationException($"{type.Resource} are left in {Namespace} after each was deleted");
        }
    }

    /// <summary>Sees from outside when the last Foo got its status.</summary>
    private sealed class StatusWatch
    {
        private readonly Informer<Foo> _informer;
        private readonly HashSet<string> _written = new(StringComparer.Ordinal);
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public StatusWatch(KubeClient client, TimeProvider clock, int count)
        {
            _informer = new(client, Foo.Type, new(Namespace), clock, NullLogger.Instance);
            _informer.Subscribe(change =>
            {
                if (change.New is { Status: not null } foo && _written.Add(foo.Metadata.Name!) && _written.Count == count)
                    _all.SetResult();
            });
        }

        public Task Synced => _informer.Synced;

        public Task All => _all.Task;

        public int Written => _written.Count;

        public Task RunAsync(CancellationToken cancellationToken) => _informer.RunAsync(cancellationToken);
    }
}
