using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Certificates;

/// <summary>The plan and the store together on an API server, as the operator runs them.</summary>
public sealed class CertificateStoreTests
{
    [Fact]
    public async Task A_new_stack_costs_one_create_for_each_Secret_and_reads_nothing()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        Assert.Equal(["create", "create", "create"], run.Requests);
        await run.PassAsync();
        Assert.Equal(3, run.Requests.Count);
        var secret = run.Secret(CertificateWorld.Redis)!;
        Assert.Equal("kubernetes.io/tls", (string?)secret["type"]);
        Assert.Equal(["ca.crt", "tls-combined.pem", "tls.crt", "tls.key"], secret["data"]!.AsObject().Select(field => field.Key).Order());
        Assert.Equal(["shop", "redis"], new[] { Labels.Stack, Labels.Engine }.Select(label => (string?)secret["metadata"]!["labels"]![label]));
        Assert.Equal("Opaque", (string?)run.Secret(CertificateWorld.Authority)!["type"]);
        Assert.Null(run.Secret(CertificateWorld.Authority)!["metadata"]!["ownerReferences"]);
    }

    [Fact]
    public async Task An_operator_that_starts_anew_reads_every_Secret_once_and_writes_nothing()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        run.Restart();
        await run.PassAsync();
        await run.PassAsync();
        Assert.Equal(["get", "get", "get"], run.Requests);
    }

    [Fact]
    public async Task An_authority_that_a_stack_of_this_name_left_issues_again()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        var authority = run.Value(CertificateWorld.Authority, Authority.Certificate);
        run.Server.Delete(KubeTypes.Secrets.Resource, "default", CertificateWorld.Redis);
        run.Server.Delete(KubeTypes.Secrets.Resource, "default", CertificateWorld.Postgres);
        run.Restart();
        await run.PassAsync(isNew: true);
        await run.PassAsync(isNew: true);
        Assert.Equal(authority, run.Value(CertificateWorld.Authority, Authority.Certificate));
        Assert.Equal(authority, run.Value(CertificateWorld.Redis, CertificateRequest.Trust));
    }

    [Fact]
    public async Task What_changed_since_it_was_read_is_read_again_and_not_overwritten()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        run.Annotate("now");
        // Somebody else's key, written after the operator looked.
        run.Server.Patch(KubeTypes.Secrets.Resource, "default", CertificateWorld.Authority, Data("note", "mine"));
        var before = run.Value(CertificateWorld.Authority, Authority.Certificate);
        var report = await run.PassAsync();
        Assert.Empty(report.Done);
        Assert.Empty(report.Failures);
        Assert.Equal(before, run.Value(CertificateWorld.Authority, Authority.Certificate));
        await run.PassAsync();
        Assert.NotEqual(before, run.Value(CertificateWorld.Authority, Authority.Certificate));
        Assert.Equal(before, run.Value(CertificateWorld.Authority, Authority.Previous));
        Assert.Equal("mine", run.Value(CertificateWorld.Authority, "note"));
    }

    [Fact]
    public async Task A_rotation_runs_to_its_end_on_an_API_server()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        run.Annotate("now");
        for (var i = 0; i < 12; i++)
        {
            // Each pass is another operator's: all it knows is in the Secrets.
            run.Restart();
            await run.PassAsync();
            run.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        run.Restart();
        Assert.Empty((await run.PassAsync()).Done);
        Assert.Equal("2", (string?)run.Secret(CertificateWorld.Redis)!["metadata"]!["annotations"]![Labels.AuthorityGeneration]);
        Assert.Null(run.Secret(CertificateWorld.Authority)!["data"]![Authority.Previous]);
        Assert.Equal(run.Value(CertificateWorld.Authority, Authority.Certificate), run.Value(CertificateWorld.Postgres, CertificateRequest.Trust));
    }

    [Theory]
    [InlineData("create", CertificateWorld.Authority)]
    [InlineData("create", CertificateWorld.Redis)]
    public async Task An_answer_that_is_lost_leads_to_no_second_one(string verb, string name)
    {
        await using var run = await Run.StartAsync();
        run.Server.Faults.Add(new(verb, "secrets", Name: name), new Fault.LoseAnswer(), times: 1);
        // The client asks again, and is told that there is one.
        Assert.Empty((await run.PassAsync(isNew: true)).Failures);
        var written = (string?)run.Secret(name)!["metadata"]!["resourceVersion"];
        await run.PassAsync(isNew: true);
        await run.PassAsync(isNew: true);
        Assert.Equal(written, (string?)run.Secret(name)!["metadata"]!["resourceVersion"]);
        Assert.Empty((await run.PlanAsync()).Steps);
    }

    [Fact]
    public async Task A_Secret_of_somebody_else_stays_as_it_is()
    {
        await using var run = await Run.StartAsync();
        var foreign = Data(CertificateRequest.Key, "theirs");
        foreign["metadata"] = new JsonObject { ["name"] = CertificateWorld.Redis, ["namespace"] = "default" };
        run.Server.Create(KubeTypes.Secrets.Resource, "default", foreign);
        for (var i = 0; i < 3; i++)
            await run.PassAsync(isNew: true);
        Assert.Equal("theirs", run.Value(CertificateWorld.Redis, CertificateRequest.Key));
        Assert.NotNull(run.Secret(CertificateWorld.Postgres));
        Assert.Equal("ObjectCollision", Assert.Single((await run.PlanAsync()).Violations("redis")).Reason);
    }

    [Fact]
    public async Task No_key_is_in_what_the_operator_says()
    {
        await using var run = await Run.StartAsync();
        await run.PassAsync(isNew: true);
        foreach (var name in new[] { CertificateWorld.Authority, CertificateWorld.Redis })
        {
            var secret = run.Secret(name)!;
            Assert.DoesNotContain("PRIVATE", secret["metadata"]!.ToJsonString(), StringComparison.Ordinal);
        }

        Assert.Equal("SecretContent", new SecretContent(new Dictionary<string, string?> { ["tls.key"] = "x" }, new Dictionary<string, string?>()).ToString());
    }

    private static JsonObject Data(string key, string value) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Secret",
        ["data"] = new JsonObject { [key] = Convert.ToBase64String(Encoding.UTF8.GetBytes(value)) },
    };

    private sealed class Run : IAsyncDisposable
    {
        private readonly CertificateWorld _world = new();
        private readonly List<VaultCredentials> _vaults = [];
        private readonly KubeClient _client;
        private readonly WriteJournal _journal;
        private CredentialStore _credentials;
        private PlanExecutor _executor;

        private Run(InMemoryApiServer server)
        {
            Server = server;
            _client = new(new(server.Address), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
            _journal = new(Clock);
            (_credentials, _executor) = Operator();
            // Secrets of a stack that is not there would be collected as garbage.
            server.Create(new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", Namespaced: false), null, JsonNode.Parse(StackDefinition.Render().ToJsonString())!.AsObject());
            var stack = JsonSerializer.SerializeToNode(_world.Stack, ApiJson.Wire.ComplianceStack)!.AsObject();
            server.Create(StackResource.Type.Resource, "default", JsonNode.Parse(stack.ToJsonString())!.AsObject());
            _world.Stack = _world.Stack with { Metadata = _world.Stack.Metadata with { Uid = (string?)server.Find(StackResource.Type.Resource, "default", "shop")!["metadata"]!["uid"] } };
        }

        public InMemoryApiServer Server { get; }

        public ManualClock Clock => _world.Clock;

        public List<string> Requests => [.. Server.Requests.All.Where(request => request.Resource == "secrets").Select(request => request.Verb)];

        public static async Task<Run> StartAsync() => new(await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true)));

        public void Annotate(string value) => _world.Annotate(value);

        public void Restart()
        {
            (_credentials, _executor) = Operator();
            Server.Requests.Clear();
        }

        public JsonObject? Secret(string name) => Server.Find(KubeTypes.Secrets.Resource, "default", name);

        public string? Value(string name, string key) => (string?)Secret(name)?["data"]?[key] is { } value ? Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

        public async Task<ExecutionReport> PassAsync(bool isNew = false)
        {
            var observed = await ObserveAsync(isNew);
            var plan = CertificatePlan.Of(_world.Context, _world.Wanted, observed, serving: true);
            return await _executor.ExecuteAsync(observed, new(plan.Steps, [], []), TestContext.Current.CancellationToken);
        }

        public async Task<CertificatePlan> PlanAsync() => CertificatePlan.Of(_world.Context, _world.Wanted, await ObserveAsync(isNew: false), serving: true);

        public async ValueTask DisposeAsync()
        {
            _client.Dispose();
            foreach (var vault in _vaults)
                vault.Dispose();
            await Server.DisposeAsync();
        }

        private async Task<StackObservation> ObserveAsync(bool isNew)
        {
            string[] names = [.. _world.Wanted.Select(one => one.Request.SecretName), CertificateWorld.Authority];
            return _world.Observation with { Credentials = await _credentials.ReadAsync(_world.Stack, names, isNew, TestContext.Current.CancellationToken) };
        }

        private (CredentialStore Credentials, PlanExecutor Executor) Operator()
        {
            _vaults.Add(new(_client, VaultAccess.None, _ => { }, Clock, NullLogger<VaultCredentials>.Instance));
            var credentials = new CredentialStore(_client, _vaults[^1], Clock);
            return (credentials, new(_client, credentials, new(_client, credentials, Clock), _journal, NullLogger<PlanExecutor>.Instance));
        }
    }
}
