using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing;

namespace Dora.Engines.Tests;

/// <summary>
/// An upgrade of the operator restarts nothing: for each released stack version the pod templates, images included, are kept as
/// they were, and today's code has to render them byte for byte.
/// </summary>
public sealed class ReleasedTemplatesTests
{
    private const string Folder = "tests/Dora.Engines.Tests/Released";

    /// <summary>Beside the defaults, the shapes that differ in their templates.</summary>
    private static readonly (string Name, string Engine, string Settings)[] _shapes =
    [
        .. EngineCatalogue.All.Select(engine => (engine.Name, engine.Name, "{}")),
        ("postgres-pooled", "postgres", "{pooler: {instances: 2}, synchronous: Enabled, parameters: {max_connections: '200'}}"),
        ("neo4j-cluster", "neo4j", "{license: Commercial, instances: 3, secondaries: 1, ldap: {host: 'ldaps://directory.example:636', userSearchBase: ou=people, systemAccount: {username: cn=neo4j, passwordSecret: directory}}}"),
        ("mongodb-arbiter", "mongodb", "{instances: 2, arbiter: true}"),
        ("influxdb-1.6", "influxdb", "{version: '1.6'}"),
        ("redis-cluster", "redis", "{mode: Cluster}"),
        ("redis-users", "redis", "{mode: Sentinel, users: [{name: clerk}]}"),
    ];

    /// <summary>All but the newest, and that too once it is frozen.</summary>
    public static IReadOnlyList<string> Released { get; } =
        [.. StackVersions.All.Where(version => version != StackVersions.Newest || Directory.Exists(Path.Combine(GoldenFile.RepositoryRoot, Folder, version)))];

    public static TheoryData<string, string, Tier> All { get; } = new(
        Released.SelectMany(version => _shapes.SelectMany(shape => Enum.GetValues<Tier>().Select(tier => (version, shape.Name, tier)))));

    [Theory, MemberData(nameof(All))]
    public void A_released_version_keeps_its_pod_templates(string version, string shape, Tier tier) =>
        GoldenFile.MatchesRelease(Templates(version, shape, tier), version, $"{Folder}/{version}/{shape}-{tier}.yaml");

    [Theory, MemberData(nameof(All))]
    public void A_newer_version_differs_so_that_pinning_is_not_an_empty_promise(string version, string shape, Tier tier)
    {
        if (version != StackVersions.Newest)
            Assert.NotEqual(Templates(version, shape, tier), Templates(StackVersions.Newest, shape, tier));
    }

    private static string Templates(string version, string shape, Tier tier)
    {
        var (_, engine, settings) = _shapes.Single(one => one.Name == shape);
        return KubeYaml.WriteAll(Engines.Bind(engine, settings, tier, version).Render(EngineObservation.None)
            .Where(manifest => manifest.Body["spec"]?["template"] is not null)
            .Select(manifest => new JsonObject { ["kind"] = manifest.Resource.Kind, ["name"] = manifest.Name, ["template"] = manifest.Body["spec"]!["template"]!.DeepClone() }));
    }
}
