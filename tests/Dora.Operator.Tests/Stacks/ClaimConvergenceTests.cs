using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Stacks;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Stacks;

/// <summary>Planner, executor and caches on an in-memory API server, with servers that always answer well: pods there run none.</summary>
public sealed class ClaimConvergenceTests
{
    private const string Five = "{tier: Development, deletionPolicy: Delete, engines: {redis: {mode: Sentinel, instances: 5, storage: {size: 1Gi}}}}";

    [Fact]
    public async Task Scaled_in_with_deletionPolicy_Delete_the_claims_of_the_members_that_left_go_and_no_other()
    {
        await using var run = await Run.StartAsync(Five);
        await run.UntilAsync(() => run.Claims.Count == 5 && run.Pods == 5);
        run.PatchSpec("{engines: {redis: {instances: 3}}}");
        await run.UntilAsync(() => run.Claims.Count == 3);
        Assert.Equal(["data-shop-redis-0", "data-shop-redis-1", "data-shop-redis-2"], run.Claims.Keys);
        Assert.Equal(3, run.Pods);
        await run.UntilQuietAsync();
        Assert.Equal(3, run.Claims.Count);
    }

    [Fact]
    public async Task Scaled_in_with_deletionPolicy_Retain_every_claim_stays()
    {
        await using var run = await Run.StartAsync(Five.Replace("Delete", "Retain", StringComparison.Ordinal));
        await run.UntilAsync(() => run.Claims.Count == 5 && run.Pods == 5);
        run.PatchSpec("{engines: {redis: {instances: 3}}}");
        await run.UntilAsync(() => run.Pods == 3);
        await run.UntilQuietAsync();
        Assert.Equal(5, run.Claims.Count);
    }

    [Fact]
    public async Task Volumes_grow_once_and_those_of_members_that_left_stay_as_they_are()
    {
        await using var run = await Run.StartAsync(Five.Replace("Delete", "Retain", StringComparison.Ordinal));
        await run.UntilAsync(() => run.Claims.Count == 5 && run.Pods == 5);
        run.PatchSpec("{engines: {redis: {instances: 3, storage: {size: 2Gi}}}}");
        await run.UntilAsync(() => run.Pods == 3);
        await run.UntilQuietAsync();
        Assert.Equal(["2Gi", "2Gi", "2Gi", "1Gi", "1Gi"], run.Claims.Values);
    }

    private sealed class Run : IAsyncDisposable
    {
        private static readonly ObjectKey _key = new(OperatorHost.Namespace, "shop");

        private readonly OperatorHost _host;
        private readonly WorkloadSimulator _workloads;
        private readonly KubeClient _client;
        private readonly SemaphoreSlim _changed = new(0);
        private readonly HealthStore _health = new();
        private readonly CancellationTokenSource _stop = new();
        private readonly VaultCredentials _vault;
        private readonly VaultSignatures _signatures;
        private readonly DatabaseLoginSource _logins;
        private readonly StackObserver _observer;
        private readonly PlanExecutor _executor;
        private readonly Task _view;

        private Run(OperatorHost host)
        {
            _host = host;
            _workloads = new(host.Server);
            _client = new(new(host.Server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
            var journal = new WriteJournal(TimeProvider.System);
            _vault = new(_client, VaultAccess.None, _ => { }, TimeProvider.System, NullLogger<VaultCredentials>.Instance);
            _signatures = new(_vault.Clients, _ => { }, TimeProvider.System, NullLogger<VaultSignatures>.Instance);
            _logins = new(_vault.Clients, _ => { }, TimeProvider.System, NullLogger<DatabaseLoginSource>.Instance);
            var credentials = new CredentialStore(_client, _vault, TimeProvider.System);
            var view = new ClusterView(_client, [], new(KubeTypes.PodDisruptionBudgetsBeta), _ => _changed.Release(), journal.Removed, TimeProvider.System, NullLogger.Instance);
            _observer = new(view, new(_client, [], _ => { }, _ => { }, _ => { }, TimeProvider.System, NullLogger.Instance), credentials, _vault, _signatures, _logins, new(_client, journal, TimeProvider.System), new(_client, TimeProvider.System), new(_client), journal, _health, new(TimeProvider.System), new(_client, TimeProvider.System), new(), new(PolicyV1: false), TimeProvider.System);
            _executor = new(_client, credentials, new(_client, credentials, TimeProvider.System), journal, NullLogger<PlanExecutor>.Instance);
            _view = view.RunAsync(_stop.Token);
        }

        public SortedDictionary<string, string> Claims => new(
            _host.Server.All(KubeTypes.PersistentVolumeClaims.Resource).ToDictionary(claim => (string)claim["metadata"]!["name"]!, claim => (string?)claim["status"]?["capacity"]?["storage"] ?? ""),
            StringComparer.Ordinal);

        public int Pods => _host.Server.All(KubeTypes.Pods.Resource).Count;

        public static async Task<Run> StartAsync(string spec)
        {
            var host = await OperatorHost.StartAsync(start: false);
            host.Apply("shop", spec);
            return new(host);
        }

        public void PatchSpec(string spec) => _host.PatchSpec("shop", spec);

        /// <summary>Passes, each after a change that the caches saw, until something holds.</summary>
        public async Task UntilAsync(Func<bool> wanted)
        {
            while (!wanted())
            {
                if (await PassAsync() == 0)
                    Assert.True(await _changed.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken), "nothing happens any more");
            }
        }

        /// <summary>Passes until the caches have seen everything and there is nothing to do.</summary>
        public async Task UntilQuietAsync()
        {
            do
            {
                await UntilAsync(() => _changed.CurrentCount == 0);
            }
            while (await PassAsync() > 0 || await _changed.WaitAsync(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken));
        }

        private async Task<int> PassAsync()
        {
            if (await _observer.LoadAsync(_key, TestContext.Current.CancellationToken) is not { } observed)
                return 0;
            var members = observed.Pods.Select(pod => new MemberHealth(pod.Metadata.Name!, MemberRole.Replica, Serving: true)).ToList();
            _health.Set(_key, new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, members, "shop-redis-0", null, "", []) });
            var plan = StackPlanner.Plan(observed);
            Assert.Empty(plan.Violations);
            var report = await _executor.ExecuteAsync(observed, plan, TestContext.Current.CancellationToken);
            Assert.Empty(report.Failures);
            return plan.Steps.Count;
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _view.ContinueWith(_ => { }, TaskScheduler.Default);
            _signatures.Dispose();
            _logins.Dispose();
            _vault.Dispose();
            _client.Dispose();
            await _workloads.DisposeAsync();
            await _host.DisposeAsync();
            _changed.Dispose();
            _stop.Dispose();
        }
    }
}
