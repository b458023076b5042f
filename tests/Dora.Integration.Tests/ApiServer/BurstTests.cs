using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Integration.Tests.ApiServer;

/// <summary>Watches beside a storm of requests of the same client: each must tell to the last.</summary>
public sealed class BurstTests(RealServer server)
{
    private const int Objects = 400;
    private const int Rounds = 4;

    [Fact]
    public async Task Every_watch_tells_the_last_of_a_burst_of_changes()
    {
        using var client = new KubeClient(KubeConfig.Load(server.Kubeconfig), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        var ns = $"burst-{Guid.NewGuid():N}"[..20];
        await client.CreateAsync(KubeTypes.Namespaces, new(new(ns)), TestContext.Current.CancellationToken);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        Follower[] followers = [.. Enumerable.Range(0, 8).Select(_ => new Follower(client, ns))];
        var running = Task.WhenAll(followers.Select(follower => follower.Informer.RunAsync(stop.Token)));
        await Task.WhenAll(followers.Select(follower => follower.Informer.Synced));

        for (var round = 0; round < Rounds; round++)
        {
            foreach (var follower in followers)
                follower.Expect($"{round}");
            await Parallel.ForAsync(0, Objects, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = TestContext.Current.CancellationToken }, async (i, token) =>
                await client.ApplyAsync(Manifest.Of(KubeTypes.ConfigMaps, Value(ns, i, round)), new(), token));
            await Task.WhenAll(followers.Select(follower => follower.All)).WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
        }

        await stop.CancelAsync();
        await running;
        await client.DeleteAsync(KubeTypes.Namespaces.Resource, null, ns, new(), TestContext.Current.CancellationToken);
    }

    private static ConfigMap Value(string ns, int i, int round) =>
        new(new($"map-{i}", ns), new Dictionary<string, string> { ["round"] = $"{round}", ["size"] = new string('x', 1500) });

    /// <summary>One informer, and whether it has seen every object in a round.</summary>
    private sealed class Follower
    {
        private readonly Lock _lock = new();
        private readonly HashSet<string> _seen = [];
        private string _round = "";
        private TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Follower(KubeClient client, string ns)
        {
            Informer = new(client, KubeTypes.ConfigMaps, new(ns), TimeProvider.System, NullLogger.Instance);
            Informer.Subscribe(change =>
            {
                lock (_lock)
                {
                    if (change.New?.Data?.GetValueOrDefault("round") == _round && _seen.Add(change.Key.Name) && _seen.Count == Objects)
                        _all.TrySetResult();
                }
            });
        }

        public Informer<ConfigMap> Informer { get; }

        public Task All => _all.Task;

        public void Expect(string round)
        {
            lock (_lock)
            {
                _seen.Clear();
                (_round, _all) = (round, new(TaskCreationOptions.RunContinuationsAsynchronously));
            }
        }
    }
}
