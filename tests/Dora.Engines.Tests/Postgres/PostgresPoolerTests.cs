using System.Text.Json;
using Dora.Api;
using Dora.Engines.Postgres;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.Postgres;

public sealed class PostgresPoolerTests
{
    private const string Two = "pooler: {instances: 2}";

    [Theory]
    [InlineData(Tier.Production, "{}", 2)]
    [InlineData(Tier.Production, "pooler: {instances: 0}", null)]
    [InlineData(Tier.Staging, "{}", null)]
    [InlineData(Tier.Staging, "pooler: {}", 2)]
    [InlineData(Tier.Development, "pooler: {instances: 1}", 1)]
    public void The_tier_decides_unless_the_spec_does(Tier tier, string settings, int? instances)
    {
        var deployment = Deployment(settings, tier);
        Assert.Equal(instances, deployment?.Spec!.Replicas);
        Assert.Equal(instances is not null, Engines.Bind("postgres", settings, tier).Credentials().Any(request => request.SecretName == "payments-postgres-pooler"));
    }

    [Fact]
    public void Its_pods_are_restricted_and_never_pass_for_members()
    {
        var template = Deployment(Two, Tier.Production)!.Spec!.Template;
        Assert.Equal("postgres-pooler", template.Metadata.Labels![Labels.Engine]);
        Assert.True(template.Spec.SecurityContext!.RunAsNonRoot);
        Assert.False(template.Spec.AutomountServiceAccountToken);
        Assert.False(template.Spec.EnableServiceLinks);
        var container = Assert.Single(template.Spec.Containers);
        Assert.True(container.SecurityContext!.ReadOnlyRootFilesystem);
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities!.Drop!);
        Assert.NotNull(container.Lifecycle!.PreStop);
        Assert.Single(template.Spec.Affinity!.PodAntiAffinity!.RequiredDuringSchedulingIgnoredDuringExecution!);
    }

    [Fact]
    public void Only_a_changed_configuration_rolls_it()
    {
        string Hash(string settings) => Deployment(settings, Tier.Staging)!.Spec!.Template.Metadata.Annotations![Labels.ConfigHash];
        Assert.Equal(Hash("{pooler: {}}"), Hash("{pooler: {}, parameters: {jit: 'off'}, instances: 5}"));
        Assert.NotEqual(Hash("{pooler: {}}"), Hash("{pooler: {maxClients: 50}}"));
        Assert.NotEqual(Hash("{pooler: {}}"), Hash("{pooler: {}, databases: [{name: ledger}]}"));
    }

    [Theory]
    [InlineData("pooler: {poolSize: 41}", "pooler.poolSize")]
    [InlineData("{pooler: {poolSize: 21}, databases: [{name: ledger}]}", "pooler.poolSize")]
    [InlineData("{pooler: {poolSize: 20}, parameters: {max_connections: '59'}}", "pooler.poolSize")]
    [InlineData("pooler: {poolSize: 0}", "pooler.poolSize")]
    [InlineData("pooler: {maxClients: 0}", "pooler.maxClients")]
    [InlineData("pooler: {instances: -1}", "pooler.instances")]
    public void More_than_the_server_takes_is_refused(string settings, string field)
    {
        var violations = Engines.Bind("postgres", settings).Validate(EngineObservation.None);
        Assert.Equal($"spec.engines.postgres.{field}", Assert.Single(violations).Field);
    }

    [Theory]
    [InlineData("pooler: {poolSize: 40}")]
    [InlineData("{pooler: {poolSize: 100}, parameters: {max_connections: '220'}}")]
    public void As_much_as_the_server_takes_is_not(string settings) => Assert.Empty(Engines.Bind("postgres", settings).Validate(EngineObservation.None));

    [Fact]
    public void The_lookup_is_asked_for_in_every_database_and_only_with_a_pooler()
    {
        var names = new Dora.Engines.Rendering.EngineNames(Engines.Stack(), "postgres");
        PostgresSettings with = new(Databases: [new("ledger")], Pooler: new());
        DeclaredState state = new([], [new("app", "app", []), new("ledger", "app", [])], []);
        Assert.Equal(["SetLookup/app", "SetLookup/ledger"], Lookups(with));
        Assert.Empty(Lookups(with with { Pooler = null }));

        IEnumerable<string> Lookups(PostgresSettings settings) =>
            PostgresNeeds.Of(PostgresPlan.Of(names, settings), state, _ => null).Where(need => need.StartsWith(PostgresNeeds.SetLookup, StringComparison.Ordinal));
    }

    private static Deployment? Deployment(string settings, Tier tier) => Engines.Bind("postgres", settings, tier).Render(EngineObservation.None)
        .Where(manifest => manifest.Resource == KubeTypes.Deployments.Resource)
        .Select(manifest => manifest.Body.Deserialize(KubeTypes.Deployments.Json))
        .SingleOrDefault();
}
