using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;
using Dora.Testing.ApiServer.Contract;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>
/// Everything that engines render, as a dry run on a real kube-apiserver: it is accepted, and no field is dropped or changed on the
/// way. A server of 1.20 cannot be asked to refuse unknown fields, so the answer is compared with the wish.
/// </summary>
public sealed class DryRunTests(RealServer server)
{
    /// <summary>All settings of where pods run.</summary>
    internal const string Pods =
        "{nodeSelector: {disktype: nvme, kubernetes.io/arch: amd64}, tolerations: [{key: dedicated, value: databases, effect: NoSchedule}, {operator: Exists, effect: NoExecute, tolerationSeconds: 30}, {operator: Exists, effect: PreferNoSchedule}], "
        + "priorityClassName: databases, antiAffinity: Preferred, imagePullSecrets: [mirror, other]}";

    /// <summary>Clients of every kind.</summary>
    internal const string Network =
        "{policies: Enabled, clients: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: shop}}, namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a, b]}, {key: legacy, operator: DoesNotExist}]}}, {cidr: 10.20.0.0/16}, {cidr: 'fd00::/8'}], "
        + "monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}], egress: [{cidr: 10.30.0.0/16, ports: [389, 636]}, {podSelector: {}, ports: [443]}], apiServer: [10.0.0.1/32, 'fd00::1/128']}";

    private static readonly Dictionary<string, string> Everything = new()
    {
        ["postgres"] = """
            version: "17"
            instances: 5
            storage: {size: 30Gi, class: fast}
            resources: {cpu: 500m, memory: 2Gi}
            synchronous: Enabled
            parameters: {max_connections: "300", work_mem: 8MB}
            roles: [{name: staff, login: false}, {name: clerk, connectionLimit: 5, inRoles: [staff]}]
            databases: [{name: ledger, owner: clerk, extensions: [pgcrypto]}]
            pooler: {instances: 3, poolSize: 10, maxClients: 100}
            """,
        ["neo4j"] = """
            version: "2025.11"
            license: Commercial
            instances: 3
            secondaries: 2
            storage: {size: 30Gi, class: fast}
            memory: {heap: 4Gi, pageCache: 4Gi}
            databases: [{name: ledger, primaries: 3, secondaries: 1}]
            users: [{name: alice, roles: [reader]}]
            ldap: {host: "ldaps://directory.example:636", userSearchBase: "ou=people,dc=example", systemAccount: {username: "cn=neo4j,dc=example", passwordSecret: directory}}
            parameters: {db.transaction.timeout: 60s}
            """,
        ["mongodb"] = """
            version: "7.0"
            instances: 2
            arbiter: true
            storage: {size: 30Gi, class: fast}
            databases: [{name: sales, collections: [{name: orders, validator: {$jsonSchema: {bsonType: object}}, indexes: [{name: by_at, keys: [{field: at}], expireAfterSeconds: 60}]}]}]
            roles: [{name: teller, privileges: [{database: sales, actions: [find]}]}]
            users: [{name: alice, roles: [{role: teller, database: admin}]}]
            """,
        ["influxdb"] = """
            instances: 2
            organization: acme
            storage: {size: 30Gi, class: fast}
            databases: [{name: hourly, retention: 7y, shardDuration: 52w}]
            users: [{name: grafana, grants: [{database: hourly}]}]
            downsampling: [{name: mean, source: app, target: hourly, every: 1h}]
            """,
        ["redis"] = """
            mode: Sentinel
            instances: 5
            storage: {size: 30Gi, class: fast}
            users: [{name: shop, keys: ["shop:*"], channels: [news], categories: [read, write]}]
            """,
    };

    public static TheoryData<string, Tier> All { get; } = new(EngineCatalogue.All.SelectMany(engine => Enum.GetValues<Tier>().Select(tier => (engine.Name, tier))));

    public static TheoryData<string> Engines { get; } = [.. EngineCatalogue.All.Select(engine => engine.Name)];

    [Theory, MemberData(nameof(All))]
    public Task What_an_engine_renders_by_default_is_taken_as_it_is(string engine, Tier tier) => CheckAsync($"{{tier: {tier}, engines: {{{engine}: {{}}}}}}");

    [Theory, MemberData(nameof(Engines))]
    public Task What_an_engine_renders_with_everything_turned_on_is_taken_as_it_is(string engine) => CheckAsync(Full(engine, Everything[engine]));

    [Theory]
    [InlineData("influxdb", "version: '1.6'")]
    [InlineData("redis", "{mode: Cluster, masters: 4, replicasPerMaster: 2}")]
    public Task The_other_ways_to_run_are_taken_as_they_are(string engine, string settings) => CheckAsync(Full(engine, settings));

    [Fact]
    public async Task A_field_that_the_server_does_not_know_is_noticed()
    {
        using var client = Client();
        foreach (var manifest in await WantedAsync(client, "{tier: Production, engines: {postgres: {}}}"))
        {
            var wrong = manifest with { Body = manifest.Body.DeepClone().AsObject() };
            wrong.Body["nonsense"] = new JsonObject { ["a"] = 1 };
            Assert.NotNull(await ProblemAsync(client, wrong));
        }
    }

    private static string Full(string engine, string settings)
    {
        var own = KubeYaml.Read(settings)!.AsObject();
        own["pods"] = new JsonObject { ["image"] = $"mirror.example:5000/databases/{engine}:approved@sha256:{new string('a', 64)}" };
        return $"{{tier: Production, pods: {Pods}, network: {Network}, engines: {{{engine}: {own.ToJsonString()}}}}}";
    }

    private async Task CheckAsync(string spec)
    {
        using var client = Client();
        var wanted = await WantedAsync(client, spec);
        Assert.NotEmpty(wanted);
        var problems = new List<string>();
        foreach (var manifest in wanted)
        {
            if (await ProblemAsync(client, manifest) is { } problem)
                problems.Add($"{manifest}: {problem}");
        }

        Assert.True(problems.Count == 0, string.Join('\n', problems));
    }

    private KubeClient Client() => new(KubeConfig.Load(server.Kubeconfig, null), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);

    private static async Task<IReadOnlyList<Manifest>> WantedAsync(KubeClient client, string spec)
    {
        var capabilities = await ClusterCapabilitiesView.DiscoverAsync(client, RawClient.Token);
        var stack = Assert.Single(StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: payments, namespace: default, uid: 4f6c1d9e-0000-4000-8000-000000000001}}, spec: {spec}}}"));
        var plan = StackPlanner.Plan(StackObservation.Nowhere(stack, new()) with { Capabilities = capabilities.Capabilities });
        Assert.Empty(plan.Violations);
        return [.. plan.Steps.OfType<PlanStep.Apply>().Select(step => step.Manifest)];
    }

    /// <summary>What the server has against an object, or null.</summary>
    private static async Task<string?> ProblemAsync(KubeClient client, Manifest wanted)
    {
        try
        {
            var answer = JsonNode.Parse((await client.ApplyAsync(wanted, new(DryRun: true), RawClient.Token)).GetRawText())!.AsObject();
            return DesiredState.Holds(wanted.Body, answer) && DesiredState.Holds(Claims(wanted.Body), Claims(answer)) ? null : $"became {answer.ToJsonString()}";
        }
        catch (KubeException exception)
        {
            return exception.Message;
        }
    }

    // Of a StatefulSet that exists these are never compared; here they are new. They are templates, which the server completes.
    private static JsonObject Claims(JsonObject body) => new() { ["template"] = (body["spec"] as JsonObject)?["volumeClaimTemplates"]?.DeepClone() };
}
