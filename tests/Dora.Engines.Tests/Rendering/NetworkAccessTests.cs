using System.Text.Json;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.Rendering;

/// <summary>Who may reach which port of an engine.</summary>
public sealed class NetworkAccessTests
{
    private static readonly NetworkSettings OneClient = new(Clients: [new(PodSelector: new(new Dictionary<string, string> { ["app"] = "shop" }))]);

    public static TheoryData<string, Tier> All => EngineContractTests.All;

    [Theory]
    [InlineData("postgres", "{pooler: {}}", "payments-postgres", "5432", "5432 8008", "5432 8008")]
    [InlineData("postgres", "{pooler: {}}", "payments-postgres-pooler", "6432", "", "")]
    [InlineData("neo4j", "{}", "payments-neo4j", "7687 7474", "", "7474")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3}", "payments-neo4j", "7687 7474", "6000 7000 7688", "7474")]
    [InlineData("mongodb", "{arbiter: true}", "payments-mongodb", "27017", "27017", "27017")]
    [InlineData("influxdb", "{version: '1.6'}", "payments-influxdb", "8086", "", "8086")]
    [InlineData("influxdb", "{instances: 2}", "payments-influxdb", "8086", "8086", "8086")]
    [InlineData("redis", "{mode: Standalone}", "payments-redis", "6379", "", "6379")]
    [InlineData("redis", "{mode: Sentinel}", "payments-redis", "6379 26379", "6379 26379", "6379 26379")]
    [InlineData("redis", "{mode: Cluster}", "payments-redis", "6379", "6379 16379", "6379")]
    public void Everybody_reaches_the_ports_they_need_and_no_other(string engine, string settings, string name, string clients, string members, string operators)
    {
        var policy = Policies(Engines.Bind(engine, settings, Engines.Stack(Tier.Staging) with { Network = OneClient })).Single(policy => policy.Metadata.Name == name);
        var component = name["payments-".Length..];
        Assert.Equal(component, policy.Spec!.PodSelector.MatchLabels![Labels.Engine]);
        Assert.Equal(["Ingress"], policy.Spec.PolicyTypes!);
        Assert.Equal(clients, Ports(policy, peer => peer is { NamespaceSelector: null, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault("app") == "shop"));
        Assert.Equal(members, Ports(policy, peer => peer is { NamespaceSelector: null, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault(Labels.Engine) == component && labels.GetValueOrDefault(Labels.Stack) == "payments"));
        Assert.Equal(operators, Ports(policy, peer => peer is { NamespaceSelector: { MatchLabels: null, MatchExpressions: null }, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault(Labels.Name) == "dora-operator"));
        Assert.Equal(new[] { members, operators, clients }.Count(ports => ports.Length > 0), policy.Spec.Ingress!.Count);
    }

    [Fact]
    public void The_pooler_reaches_the_servers_whatever_clients_there_are()
    {
        var policy = Policies(Engines.Bind("postgres", "{pooler: {}}", Engines.Stack() with { Network = new(Clients: []) })).Single(policy => policy.Metadata.Name == "payments-postgres");
        Assert.Equal("5432", Ports(policy, peer => peer.PodSelector?.MatchLabels?.GetValueOrDefault(Labels.Engine) == "postgres-pooler"));
    }

    [Theory, MemberData(nameof(All))]
    public void Every_pod_is_under_a_policy_and_no_rule_is_open(string engine, Tier tier)
    {
        var manifests = Engines.Bind(engine, tier: tier).Render(EngineObservation.None);
        var policies = manifests.Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource).Select(manifest => manifest.Body.Deserialize(KubeJson.Wire.NetworkPolicy)!).ToList();
        foreach (var template in manifests.Where(manifest => manifest.Resource.Kind is "StatefulSet" or "Deployment").Select(manifest => manifest.Body["spec"]!["template"]!["metadata"]!["labels"]!))
            Assert.Single(policies, policy => policy.Spec!.PodSelector.MatchLabels!.All(label => (string?)template[label.Key] == label.Value));
        Assert.All(policies.SelectMany(policy => policy.Spec!.Ingress!), rule =>
        {
            Assert.NotEmpty(rule.From!);
            Assert.NotEmpty(rule.Ports!);
            Assert.All(rule.Ports!, port => Assert.Equal("TCP", port.Protocol));
        });
    }

    [Theory, MemberData(nameof(All))]
    public void By_default_clients_are_the_pods_of_the_namespace(string engine, Tier tier) =>
        Assert.Contains(Policies(Engines.Bind(engine, tier: tier)).SelectMany(policy => policy.Spec!.Ingress!), rule => rule.From is [{ NamespaceSelector: null, PodSelector: { MatchLabels: null, MatchExpressions: null } }, ..]);

    [Theory, MemberData(nameof(All))]
    public void With_an_empty_list_of_clients_there_is_no_rule_for_them(string engine, Tier tier) => Assert.DoesNotContain(
        Policies(Engines.Bind(engine, "{}", Engines.Stack(tier) with { Network = new(Clients: []) })).SelectMany(policy => policy.Spec!.Ingress!).SelectMany(rule => rule.From!),
        peer => peer.IpBlock is not null || peer.PodSelector?.MatchLabels is null);

    [Theory, MemberData(nameof(All))]
    public void Disabled_renders_none(string engine, Tier tier) =>
        Assert.Empty(Policies(Engines.Bind(engine, "{}", Engines.Stack(tier) with { Network = new(NetworkPolicyMode.Disabled) })));

    [Theory]
    [InlineData("{}", "")]
    [InlineData("{cidr: 10.0.0.0/8, podSelector: {}}", "")]
    [InlineData("{cidr: 10.0.0.1/8}", ".cidr")]
    [InlineData("{cidr: 10.0.0.0}", ".cidr")]
    [InlineData("{cidr: 'fe80::/129'}", ".cidr")]
    [InlineData("{podSelector: {matchLabels: {'a b': c}}}", ".podSelector.matchLabels")]
    [InlineData("{namespaceSelector: {matchLabels: {a: 'b c'}}}", ".namespaceSelector.matchLabels.a")]
    [InlineData("{podSelector: {matchExpressions: [{key: 'a b', operator: Exists}]}}", ".podSelector.matchExpressions[0].key")]
    [InlineData("{podSelector: {matchExpressions: [{key: a, operator: In}]}}", ".podSelector.matchExpressions[0].values")]
    [InlineData("{podSelector: {matchExpressions: [{key: a, operator: In, values: []}]}}", ".podSelector.matchExpressions[0].values")]
    [InlineData("{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}", ".podSelector.matchExpressions[0].values")]
    [InlineData("{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: ['b c']}]}}", ".podSelector.matchExpressions[0].values")]
    public void A_client_that_cannot_be_names_the_field_and_the_fix(string client, string field)
    {
        var violation = Assert.Single(NetworkRules.Check(new(Clients: [new(NamespaceSelector: new()), Read(client)])));
        Assert.Equal($"spec.network.clients[1]{field}", violation.Field);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("{cidr: 0.0.0.0/0}")]
    [InlineData("{cidr: 'fd00::/8'}")]
    [InlineData("{namespaceSelector: {}}")]
    [InlineData("{podSelector: {matchExpressions: [{key: a, operator: NotIn, values: [b, '']}]}, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}")]
    public void A_client_that_can_be_is_accepted(string client) => Assert.Empty(NetworkRules.Check(new(Clients: [Read(client)])));

    [Fact]
    public void More_clients_than_the_schema_allows_are_refused() =>
        Assert.Equal("spec.network.clients", Assert.Single(NetworkRules.Check(new(Clients: [.. Enumerable.Repeat(new NetworkClient(Cidr: "10.0.0.0/8"), 17)]))).Field);

    private static NetworkClient Read(string client) => KubeYaml.Read(client).Deserialize(ApiJson.Wire.NetworkClient)!;

    private static IEnumerable<NetworkPolicy> Policies(IEngineCluster cluster) => cluster.Render(EngineObservation.None)
        .Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource)
        .Select(manifest => manifest.Body.Deserialize(KubeJson.Wire.NetworkPolicy)!);

    private static string Ports(NetworkPolicy policy, Func<NetworkPolicyPeer, bool> from) => string.Join(' ', policy.Spec!.Ingress!
        .Where(rule => rule.From!.Any(from))
        .SelectMany(rule => rule.Ports!)
        .Select(port => port.Port!.Value.ToString()));
}
