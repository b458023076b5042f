using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests.Rendering;

/// <summary>Where pods run and from which image, for every engine.</summary>
public sealed class PodSettingsTests
{
    private const string Own = """
        pods:
          nodeSelector: {kubernetes.io/arch: amd64, disktype: nvme}
          tolerations:
            - {key: dedicated, value: databases, effect: NoSchedule}
            - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
          image: "mirror.example:5000/databases/server:1.2-approved@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        """;

    private static readonly PodSettings Stack = new(
        new Dictionary<string, string> { ["pool"] = "shared" },
        [new(Operator: TolerationOperator.Exists)],
        "databases",
        AntiAffinityRule.Preferred,
        ["mirror", "other"]);

    private static readonly NetworkSettings Network = new(Clients:
    [
        new(new(new Dictionary<string, string> { ["team"] = "payments" }), new(MatchExpressions: [new("app", SelectorOperator.In, ["shop", "billing"]), new("legacy", SelectorOperator.DoesNotExist)])),
        new(NamespaceSelector: new()),
        new(PodSelector: new(new Dictionary<string, string> { ["app"] = "reports" })),
        new(Cidr: "10.20.0.0/16"),
    ]);

    public static TheoryData<string> All { get; } = [.. EngineCatalogue.All.Select(engine => engine.Name)];

    [Theory, MemberData(nameof(All))]
    public void Objects_with_settings_of_pods_and_network_are_as_in_the_golden_file(string engine) => GoldenFile.Matches(
        KubeYaml.WriteAll(Render(engine, Own).Select(manifest => manifest.Body)), $"tests/Dora.Engines.Tests/Golden/{engine}-pods-Production.yaml");

    [Theory, MemberData(nameof(All))]
    public void Every_pod_and_container_of_an_engine_follows(string engine)
    {
        var pods = Engines.Pods(Render(engine, Own)).ToList();
        Assert.All(pods, pod =>
        {
            Assert.Equal("nvme", pod.NodeSelector!["disktype"]);
            Assert.Equal(["dedicated", "node.kubernetes.io/not-ready"], pod.Tolerations!.Select(toleration => toleration.Key));
            Assert.Equal("databases", pod.PriorityClassName);
            Assert.Equal(["mirror", "other"], pod.ImagePullSecrets!.Select(secret => secret.Name));
            Assert.NotNull(pod.Affinity!.PodAntiAffinity!.PreferredDuringSchedulingIgnoredDuringExecution);
            Assert.NotNull(pod.TopologySpreadConstraints);
            Assert.All(pod.Containers.Concat(pod.InitContainers ?? []), container => Assert.StartsWith("mirror.example:5000/", container.Image, StringComparison.Ordinal));
        });
        Assert.Equal(engine == "postgres" ? 2 : 1, pods.Count);
    }

    [Theory, MemberData(nameof(All))]
    public void A_field_of_the_engine_takes_the_place_of_that_of_the_stack_as_a_whole(string engine)
    {
        Assert.All(Engines.Pods(Render(engine, "{}")), pod =>
        {
            Assert.Equal("shared", pod.NodeSelector!["pool"]);
            Assert.Equal([new("Exists", null)], pod.Tolerations!.Select(toleration => (toleration.Operator, toleration.Key)));
        });
        Assert.All(Engines.Pods(Render(engine, "pods: {nodeSelector: {}, tolerations: [], imagePullSecrets: [], antiAffinity: None, priorityClassName: low}")), pod =>
        {
            Assert.Null(pod.NodeSelector);
            Assert.Null(pod.Tolerations);
            Assert.Null(pod.ImagePullSecrets);
            Assert.Null(pod.Affinity);
            Assert.Equal("low", pod.PriorityClassName);
        });
    }

    [Theory, MemberData(nameof(All))]
    public void The_order_in_which_labels_are_written_does_not_matter(string engine) => Assert.Equal(
        Render(engine, "pods: {nodeSelector: {b: '2', a: '1'}}").Select(manifest => manifest.Body.ToJsonString()),
        Render(engine, "pods: {nodeSelector: {a: '1', b: '2'}}").Select(manifest => manifest.Body.ToJsonString()));

    [Theory]
    [InlineData("nodeSelector: {'a b': c}", "nodeSelector")]
    [InlineData("nodeSelector: {a: 'c d'}", "nodeSelector.a")]
    [InlineData("nodeSelector: {Example.com/a: b}", "nodeSelector")]
    [InlineData("tolerations: [{value: a}]", "tolerations[0]")]
    [InlineData("tolerations: [{operator: Exists}, {}]", "tolerations[1]")]
    [InlineData("tolerations: [{key: 'a b'}]", "tolerations[0].key")]
    [InlineData("tolerations: [{key: a, operator: Exists, value: b}]", "tolerations[0].value")]
    [InlineData("tolerations: [{key: a, value: 'b c'}]", "tolerations[0].value")]
    [InlineData("tolerations: [{key: a, tolerationSeconds: 5}]", "tolerations[0].tolerationSeconds")]
    [InlineData("tolerations: [{key: a, effect: NoSchedule, tolerationSeconds: 5}]", "tolerations[0].tolerationSeconds")]
    [InlineData("priorityClassName: High", "priorityClassName")]
    [InlineData("imagePullSecrets: [a, -b]", "imagePullSecrets")]
    [InlineData("imagePullSecrets: [a, b, c, d, e, f, g, h, i]", "imagePullSecrets")]
    [InlineData("image: postgres", "image")]
    [InlineData("image: 'https://mirror.example/postgres:15'", "image")]
    [InlineData("image: 'mirror.example/Postgres:15'", "image")]
    [InlineData("image: 'mirror.example/postgres: 15'", "image")]
    [InlineData("image: 'mirror.example/postgres@sha256:12'", "image")]
    public void What_cannot_be_done_names_the_field_and_the_fix(string settings, string field) => Assert.All(EngineCatalogue.All, engine =>
    {
        var violation = Assert.Single(Engines.Bind(engine.Name, $"{{pods: {{{settings}}}}}").Validate(EngineObservation.None));
        Assert.Equal($"spec.engines.{engine.Name}.pods.{field}", violation.Field);
        Assert.NotEmpty(violation.Fix);
    });

    [Theory]
    [InlineData("postgres:15")]
    [InlineData("localhost:5000/a/b_c/d__e/f--g:V1.0_x-y")]
    [InlineData("registry.example/a.b:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    [InlineData("a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]
    public void A_whole_image_is_accepted(string image) => Assert.Empty(PodRules.Check("pods", new(Image: image)));

    [Fact]
    public void An_image_for_all_engines_is_refused() =>
        Assert.Equal("spec.pods.image", Assert.Single(PodRules.OfStack(new(Image: "postgres:15"))).Field);

    [Fact]
    public void An_empty_entry_of_a_file_is_refused_and_breaks_nothing()
    {
        var pods = new PodSettings(Tolerations: [null!], ImagePullSecrets: [null!], NodeSelector: new Dictionary<string, string> { ["a"] = null! });
        Assert.Equal(["spec.pods.nodeSelector.a", "spec.pods.tolerations[0]", "spec.pods.imagePullSecrets"], PodRules.OfStack(pods).Select(violation => violation.Field));
        Assert.NotEmpty(Engines.Bind("redis", "{}", Engines.Stack() with { Pods = pods }).Render(EngineObservation.None));
    }

    private static IReadOnlyList<Manifest> Render(string engine, string settings) =>
        Engines.Bind(engine, settings, Engines.Stack(Tier.Production) with { Pods = Stack, Network = Network }).Render(EngineObservation.None);
}
