using Dora.Api;
using Dora.Engines;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Credentials;

public sealed class CredentialRulesTests
{
    [Fact]
    public void Over_existing_data_only_a_password_that_can_be_set_anew_is_generated()
    {
        var stack = new ComplianceStack(new(Name: "shop", Namespace: "default"), new(Tier.Development, new Dictionary<string, System.Text.Json.JsonElement>()));
        var engine = EngineCatalogue.Find("neo4j")!;
        var cluster = engine.Bind(StackPlanner.Context(stack, new(), new()), System.Text.Json.JsonDocument.Parse("""{"users":[{"name":"alice"}]}""").RootElement);
        var bound = new BoundEngine(engine, cluster, new(Status: new("neo4j", Initialized: true)));
        var observed = StackObservation.Nowhere(stack, new()) with
        {
            Credentials = cluster.Credentials().ToDictionary(request => request.SecretName, _ => (SecretReading)new SecretReading.Missing()),
        };
        var violation = Assert.Single(CredentialRules.Check(bound, observed));
        Assert.Equal(("secrets/shop-neo4j-internal", "CredentialMissing"), (violation.Field, violation.Reason));
    }
}
