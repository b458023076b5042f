using System.Text.Json;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests;

/// <summary>What every engine promises, on every tier.</summary>
public sealed class EngineContractTests
{
    public static TheoryData<string, Tier> All { get; } = new(
        EngineCatalogue.All.SelectMany(engine => Enum.GetValues<Tier>().Select(tier => (engine.Name, tier))));

    [Theory, MemberData(nameof(All))]
    public void Objects_are_as_in_the_golden_file(string engine, Tier tier) =>
        GoldenFile.Matches(KubeYaml.WriteAll(Render(engine, tier).Select(manifest => manifest.Body)), $"tests/Dora.Engines.Tests/Golden/{engine}-{tier}.yaml");

    [Theory, MemberData(nameof(All))]
    public void Rendering_twice_gives_the_same_bytes(string engine, Tier tier) =>
        Assert.Equal(Render(engine, tier).Select(manifest => manifest.Body.ToJsonString()), Render(engine, tier).Select(manifest => manifest.Body.ToJsonString()));

    [Theory, MemberData(nameof(All))]
    public void Pods_are_as_Pod_Security_restricted_asks(string engine, Tier tier)
    {
        var pods = Render(engine, tier).Select(manifest => manifest.Body["spec"]?["template"]?["spec"]).OfType<JsonObject>().ToList();
        Assert.NotEmpty(pods);
        Assert.Empty(pods.SelectMany(RestrictedProfile.Breaches));
    }

    [Theory, MemberData(nameof(All))]
    public void Containers_write_to_volumes_only_and_have_their_memory_for_certain(string engine, Tier tier)
    {
        foreach (var pod in Pods(engine, tier))
        {
            Assert.False(pod.EnableServiceLinks);
            foreach (var container in pod.Containers.Concat(pod.InitContainers ?? []))
            {
                Assert.True(container.SecurityContext!.ReadOnlyRootFilesystem);
                Assert.NotNull(container.Resources!.Requests!["cpu"]);
                Assert.Equal(container.Resources.Limits!["memory"], container.Resources.Requests["memory"]);
            }
        }
    }

    // Kubernetes makes one dollar of two in these (Container, "command"); files and probes it leaves as they are.
    [Theory, MemberData(nameof(All))]
    public void Programs_get_the_words_that_are_written(string engine, Tier tier) =>
        Assert.All(
            Pods(engine, tier).SelectMany(pod => pod.Containers.Concat(pod.InitContainers ?? [])).SelectMany(container => (container.Command ?? []).Concat(container.Args ?? []).Concat((container.Env ?? []).Select(variable => variable.Value ?? ""))),
            word => Assert.DoesNotContain("$$", word, StringComparison.Ordinal));

    [Theory, MemberData(nameof(All))]
    public void No_password_stands_in_an_object_or_an_argument(string engine, Tier tier)
    {
        foreach (var pod in Pods(engine, tier))
        {
            foreach (var container in pod.Containers)
                Assert.All(container.Env ?? [], variable => Assert.True(variable.Value is null || !variable.Name.Contains("PASSWORD", StringComparison.Ordinal), variable.Name));
        }

        Assert.DoesNotContain(Render(engine, tier), manifest => manifest.Resource.Kind == "Secret");
    }

    [Theory, MemberData(nameof(All))]
    public void Names_fit_for_the_longest_stack_name(string engine, Tier tier)
    {
        var stack = Engines.Stack(tier) with { Name = new string('a', 40) };
        using var settings = JsonDocument.Parse("{}");
        var cluster = EngineCatalogue.Find(engine)!.Bind(stack, settings.RootElement);
        // A StatefulSet's name becomes a label with a hash of 10 and a dash behind it (Kubernetes: controller-revision-hash).
        Assert.True(cluster.WorkloadName.Length <= 52, cluster.WorkloadName);
        Assert.All(cluster.Render(EngineObservation.None), manifest => Assert.True(manifest.Name.Length <= 63, manifest.Name));
    }

    [Theory, MemberData(nameof(All))]
    public void Defaults_have_no_violation(string engine, Tier tier) =>
        Assert.Empty(Engines.Bind(engine, tier: tier).Validate(EngineObservation.None));

    [Theory, MemberData(nameof(All))]
    public void Every_object_belongs_to_the_stack_and_carries_its_labels(string engine, Tier tier) => Assert.All(Render(engine, tier), manifest =>
    {
        var meta = manifest.Body["metadata"]!;
        Assert.Equal("payments", (string?)meta["labels"]![Labels.Stack]);
        Assert.Equal(engine, (string?)meta["labels"]![Labels.Engine]);
        Assert.Equal("ComplianceStack", (string?)meta["ownerReferences"]![0]!["kind"]);
    });

    [Theory]
    [InlineData("postgres", "{version: '99'}")]
    [InlineData("postgres", "{instances: three}")]
    [InlineData("postgres", "{nonsense: 1}")]
    [InlineData("redis", "{mode: Cluster7}")]
    [InlineData("redis", "{version: 7}")]
    public void Settings_that_do_not_fit_the_contract_are_refused(string engine, string settings) =>
        Assert.ThrowsAny<JsonException>(() => Engines.Bind(engine, settings));

    [Theory]
    [InlineData("postgres", "{instances: 0}", "spec.engines.postgres.instances")]
    [InlineData("postgres", "{instances: 10}", "spec.engines.postgres.instances")]
    [InlineData("postgres", "{storage: {size: 1.5Gi}}", "spec.engines.postgres.storage.size")]
    [InlineData("postgres", "{storage: {size: '20'}}", "spec.engines.postgres.storage.size")]
    [InlineData("postgres", "{resources: {memory: lots}}", "spec.engines.postgres.resources.memory")]
    [InlineData("redis", "{mode: Sentinel, instances: 2}", "spec.engines.redis.instances")]
    [InlineData("redis", "{mode: Sentinel, instances: 4}", "spec.engines.redis.instances")]
    [InlineData("redis", "{mode: Sentinel, instances: 1}", "spec.engines.redis.instances")]
    [InlineData("redis", "{mode: Standalone, instances: 3}", "spec.engines.redis.instances")]
    [InlineData("redis", "{resources: {cpu: '-1'}}", "spec.engines.redis.resources.cpu")]
    [InlineData("redis", "{mode: Cluster, masters: 2}", "spec.engines.redis.masters")]
    [InlineData("redis", "{mode: Cluster, masters: 31}", "spec.engines.redis.masters")]
    [InlineData("redis", "{mode: Cluster, replicasPerMaster: 4}", "spec.engines.redis.replicasPerMaster")]
    [InlineData("redis", "{mode: Cluster, instances: 6}", "spec.engines.redis.instances")]
    [InlineData("redis", "{mode: Sentinel, masters: 3}", "spec.engines.redis.masters")]
    [InlineData("redis", "{replicasPerMaster: 1}", "spec.engines.redis.masters")]
    [InlineData("redis", "{users: [{name: admin}]}", "spec.engines.redis.users[0].name")]
    [InlineData("redis", "{users: [{name: a}, {name: a}]}", "spec.engines.redis.users[1].name")]
    [InlineData("redis", "{users: [{name: 'a b'}]}", "spec.engines.redis.users[0].name")]
    [InlineData("redis", "{users: [{name: a, keys: ['x *']}]}", "spec.engines.redis.users[0].keys")]
    [InlineData("redis", "{users: [{name: a, keys: ['x[1']}]}", "spec.engines.redis.users[0].keys")]
    [InlineData("redis", "{users: [{name: a, channels: ['']}]}", "spec.engines.redis.users[0].channels")]
    [InlineData("redis", "{users: [{name: a, categories: [dangerous]}]}", "spec.engines.redis.users[0].categories")]
    [InlineData("redis", "{mode: Sentinel, users: [{name: a, vault: {staticRole: ns.a}}]}", "spec.engines.redis.users[0].vault")]
    [InlineData("redis", "{mode: Cluster, users: [{name: a, vault: {dynamicRole: ns.a}}]}", "spec.engines.redis.users[0].vault")]
    [InlineData("redis", "{mode: Standalone, users: [{name: a, keys: ['x:*'], vault: {dynamicRole: ns.a}}]}", "spec.engines.redis.users[0].vault")]
    [InlineData("redis", "{mode: Standalone, users: [{name: vault, vault: {staticRole: ns.a}}]}", "spec.engines.redis.users[0].name")]
    public void What_cannot_be_done_names_the_field_and_the_fix(string engine, string settings, string field)
    {
        var violation = Assert.Single(Engines.Bind(engine, settings).Validate(EngineObservation.None));
        Assert.Equal(field, violation.Field);
        Assert.NotEmpty(violation.Fix);
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("redis")]
    public void Volumes_never_shrink_and_never_change_their_class(string engine)
    {
        var claim = new PersistentVolumeClaim(new(Name: "data"), new(StorageClassName: "fast", Resources: new(Requests: new Dictionary<string, string> { ["storage"] = "2Gi" })));
        var observed = new EngineObservation(Workload: new(new(Name: "x"), new("s", new(), new(new(), new([])), VolumeClaimTemplates: [claim])));
        Assert.Empty(Engines.Bind(engine, "{storage: {size: 2048Mi, class: fast}}").Validate(observed));
        Assert.Empty(Engines.Bind(engine, "{storage: {size: 3Gi, class: fast}}").Validate(observed));
        Assert.Equal("StorageShrink", Assert.Single(Engines.Bind(engine, "{storage: {size: 2047Mi, class: fast}}").Validate(observed)).Reason);
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind(engine, "{storage: {size: 2Gi}}").Validate(observed)).Reason);
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind(engine, "{storage: {size: 2Gi, class: slow}}").Validate(observed)).Reason);
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("redis")]
    public void A_class_cannot_be_named_later_and_retained_volumes_keep_theirs(string engine)
    {
        // The API server writes the default class into claims, not into the template.
        var given = new PersistentVolumeClaim(new(Name: "data"), new(StorageClassName: "standard"));
        var unasked = given with { Spec = new() };
        var running = new EngineObservation(Workload: new(new(Name: "x"), new("s", new(), new(new(), new([])), VolumeClaimTemplates: [unasked])), Claims: [given]);
        Assert.Empty(Engines.Bind(engine, "{}").Validate(running));
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind(engine, "{storage: {class: standard}}").Validate(running)).Reason);

        var retained = new EngineObservation(Claims: [given]);
        Assert.Empty(Engines.Bind(engine, "{}").Validate(retained));
        Assert.Empty(Engines.Bind(engine, "{storage: {class: standard}}").Validate(retained));
        Assert.Equal("ImmutableField", Assert.Single(Engines.Bind(engine, "{storage: {class: fast}}").Validate(retained)).Reason);
    }

    private static IReadOnlyList<Manifest> Render(string engine, Tier tier) => Engines.Bind(engine, tier: tier).Render(EngineObservation.None);

    private static IEnumerable<PodSpec> Pods(string engine, Tier tier) => Engines.Pods(Render(engine, tier));
}
