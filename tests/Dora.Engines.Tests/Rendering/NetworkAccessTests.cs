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
    [InlineData("postgres", "{pooler: {}}", "payments-postgres-pooler", "6432", "", "6432")]
    [InlineData("neo4j", "{}", "payments-neo4j", "7687 7473", "", "7473 7687")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3}", "payments-neo4j", "7687 7473", "6000 7000 7688", "7473 7687")]
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
        Assert.Equal(["Ingress", "Egress"], policy.Spec.PolicyTypes!);
        Assert.Equal(clients, Ports(policy, peer => peer is { NamespaceSelector: null, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault("app") == "shop"));
        Assert.Equal(members, Ports(policy, peer => peer is { NamespaceSelector: null, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault(Labels.Engine) == component && labels.GetValueOrDefault(Labels.Stack) == "payments"));
        Assert.Equal(operators, Ports(policy, peer => peer is { NamespaceSelector: { MatchLabels: null, MatchExpressions: null }, PodSelector.MatchLabels: { } labels } && labels.GetValueOrDefault(Labels.Name) == "dora-operator"));
        Assert.Equal(new[] { members, operators, clients }.Count(ports => ports.Length > 0), policy.Spec.Ingress!.Count);
    }

    [Theory]
    [InlineData("postgres", "{pooler: {}}", "payments-postgres", "dns; members 5432 8008; anywhere 443 6443")]
    [InlineData("postgres", "{pooler: {}}", "payments-postgres-pooler", "dns; postgres 5432")]
    [InlineData("neo4j", "{}", "payments-neo4j", "dns")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3}", "payments-neo4j", "dns; members 6000 7000 7688")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3, ldap: {host: 'ldaps://directory.example', userDnTemplate: 'uid={0}'}}", "payments-neo4j", "dns; members 6000 7000 7688; anywhere 636")]
    [InlineData("neo4j", "{license: Evaluation, instances: 3, ldap: {host: 'ldap://directory.example:1389', userDnTemplate: 'uid={0}'}}", "payments-neo4j", "dns; members 6000 7000 7688; anywhere 1389")]
    [InlineData("mongodb", "{arbiter: true}", "payments-mongodb", "dns; members 27017")]
    [InlineData("influxdb", "{version: '1.6'}", "payments-influxdb", "dns")]
    [InlineData("influxdb", "{instances: 2}", "payments-influxdb", "dns; members 8086")]
    [InlineData("redis", "{mode: Standalone}", "payments-redis", "dns")]
    [InlineData("redis", "{mode: Cluster}", "payments-redis", "dns; members 6379 16379")]
    public void Servers_reach_nobody_whom_they_need_not(string engine, string settings, string name, string reached) => Assert.Equal(
        reached,
        string.Join("; ", Policies(Engines.Bind(engine, settings, Engines.Stack(Tier.Staging))).Single(policy => policy.Metadata.Name == name).Spec!.Egress!.Select(rule => Reached(rule, name["payments-".Length..]))));

    [Fact]
    public void What_the_stack_names_is_reached_too_and_the_API_server_at_its_addresses_only()
    {
        var network = KubeYaml.Read("{egress: [{cidr: 10.9.0.0/16, ports: [443]}, {podSelector: {matchLabels: {app: mirror}}, ports: [8080, 8443]}], apiServer: [10.0.0.1/32]}").Deserialize(ApiJson.Wire.NetworkSettings)!;
        var policy = Policies(Engines.Bind("postgres", "{}", Engines.Stack() with { Network = network })).Single();
        Assert.Equal(
            ["dns", "members 5432 8008", "10.0.0.1/32 443 6443", "10.9.0.0/16 443", "mirror 8080 8443"],
            policy.Spec!.Egress!.Select(rule => Reached(rule, "postgres")));
    }

    [Fact]
    public void Metrics_are_read_by_monitoring_and_by_nobody_else()
    {
        const string settings = "{license: Evaluation, instances: 3}";
        Assert.DoesNotContain(Policies(Engines.Bind("neo4j", settings, Tier.Staging)).Single().Spec!.Ingress!.SelectMany(rule => rule.Ports!), port => port.Port!.Value.ToString() == "2004");
        var network = new NetworkSettings(Monitoring: [new(NamespaceSelector: new(new Dictionary<string, string> { ["kubernetes.io/metadata.name"] = "monitoring" }))]);
        var policy = Policies(Engines.Bind("neo4j", settings, Engines.Stack(Tier.Staging) with { Network = network })).Single();
        Assert.Equal("2004", Ports(policy, peer => peer.NamespaceSelector?.MatchLabels?.GetValueOrDefault("kubernetes.io/metadata.name") == "monitoring"));
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
    [InlineData("{egress: [{podSelector: {}, ports: []}]}", "egress[0].ports")]
    [InlineData("{egress: [{podSelector: {}, ports: [0]}]}", "egress[0].ports")]
    [InlineData("{egress: [{podSelector: {}, ports: [1,2,3,4,5,6,7,8,9]}]}", "egress[0].ports")]
    [InlineData("{egress: [{ports: [1]}]}", "egress[0]")]
    [InlineData("{egress: [{cidr: 10.0.0.1/8, ports: [1]}]}", "egress[0].cidr")]
    [InlineData("{monitoring: [{}]}", "monitoring[0]")]
    [InlineData("{apiServer: [10.0.0.1]}", "apiServer[0]")]
    [InlineData("{apiServer: [10.0.0.1/24]}", "apiServer[0]")]
    [InlineData("{probe: {interval: 30m}}", "probe.interval")]
    [InlineData("{probe: {interval: often}}", "probe.interval")]
    [InlineData("{probe: {image: mirror.example/agent}}", "probe.image")]
    public void A_network_that_cannot_be_names_the_field_and_the_fix(string settings, string field)
    {
        var violation = Assert.Single(NetworkRules.Check(KubeYaml.Read(settings).Deserialize(ApiJson.Wire.NetworkSettings)));
        Assert.Equal($"spec.network.{field}", violation.Field);
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

    private static string Reached(NetworkPolicyEgressRule rule, string component)
    {
        var ports = string.Join(' ', rule.Ports!.Select(port => port.Port!.Value.ToString()));
        if (ports == "53 53 5353 5353")
        {
            Assert.Equal(["UDP", "TCP", "UDP", "TCP"], rule.Ports!.Select(port => port.Protocol));
            return "dns";
        }

        Assert.All(rule.Ports!, port => Assert.Equal("TCP", port.Protocol));
        var labels = rule.To?.Single().PodSelector?.MatchLabels;
        var whom = rule.To is null ? "anywhere" : rule.To[0].IpBlock?.Cidr ?? (labels!.TryGetValue(Labels.Engine, out var engine) ? (engine == component ? "members" : engine) : labels["app"]);
        return $"{whom} {ports}";
    }

    private static string Ports(NetworkPolicy policy, Func<NetworkPolicyPeer, bool> from) => string.Join(' ', policy.Spec!.Ingress!
        .Where(rule => rule.From!.Any(from))
        .SelectMany(rule => rule.Ports!)
        .Select(port => port.Port!.Value.ToString()));
}
