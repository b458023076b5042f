using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;

namespace Dora.Operator.Tests.Stacks;

[Collection("operator")]
public sealed class DeletionProtectionTests
{
    private const string Spec = "{tier: Development, deletionProtection: true, engines: {redis: {}}}";

    [Fact]
    public async Task Where_the_API_server_knows_no_such_policies_the_stack_says_so_once_and_goes_on()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        var condition = await host.ConditionAsync("shop", ConditionTypes.DeletionProtected, condition => (string?)condition["status"] == "False");
        Assert.Equal("DeletionProtectionUnavailable", (string?)condition["reason"]);
        Assert.Contains("Kubernetes 1.30", (string?)condition["message"], StringComparison.Ordinal);
        await host.ConvergedAsync("shop");
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
        await host.UntilAsync(() => host.Server.All(KubeTypes.Events.Resource).Any(one => (string?)one["reason"] == "DeletionProtectionUnavailable"));
    }

    [Theory]
    [InlineData(true, "Deny", "True", "PolicyInstalled")]
    [InlineData(true, "Warn", "False", "DeletionProtectionUnavailable")]
    [InlineData(true, null, "False", "DeletionProtectionUnavailable")]
    [InlineData(false, "Deny", "False", "DeletionProtectionUnavailable")]
    public async Task Protected_means_that_the_policy_is_there_and_denies(bool policy, string? action, string status, string reason)
    {
        await using var host = await ServingAsync();
        if (policy)
            host.Server.Create(KubeTypes.ValidatingAdmissionPolicies.Resource, null, Sent(DeletionProtectionPolicy.Policy()));
        if (action is not null)
        {
            var binding = DeletionProtectionPolicy.Binding();
            binding["spec"]!["validationActions"] = new JsonArray(action);
            host.Server.Create(KubeTypes.ValidatingAdmissionPolicyBindings.Resource, null, Sent(binding));
        }

        _ = host.Start();
        host.Apply("shop", Spec);
        var condition = await host.ConditionAsync("shop", ConditionTypes.DeletionProtected, _ => true);
        Assert.Equal((status, reason), ((string?)condition["status"], (string?)condition["reason"]));
    }

    [Fact]
    public async Task A_policy_that_may_not_be_read_is_neither_claimed_nor_denied()
    {
        await using var host = await ServingAsync();
        host.Server.Access.Deny(new("get", "validatingadmissionpolicybindings.admissionregistration.k8s.io"));
        _ = host.Start();
        host.Apply("shop", Spec);
        var condition = await host.ConditionAsync("shop", ConditionTypes.DeletionProtected, _ => true);
        Assert.Equal(("Unknown", "DeletionProtectionUnknown"), ((string?)condition["status"], (string?)condition["reason"]));
    }

    // The in-memory server knows these two kinds by definitions only.
    private static async Task<OperatorHost> ServingAsync()
    {
        var host = await OperatorHost.StartAsync(start: false);
        foreach (var kind in new[] { KubeTypes.ValidatingAdmissionPolicies.Resource, KubeTypes.ValidatingAdmissionPolicyBindings.Resource })
        {
            host.Define(JsonNode.Parse($$$"""
                {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"{{{kind.Plural}}}.{{{kind.Group}}}"},
                 "spec":{"group":"{{{kind.Group}}}","scope":"Cluster","names":{"plural":"{{{kind.Plural}}}","singular":"{{{kind.Kind.ToLowerInvariant()}}}","kind":"{{{kind.Kind}}}","listKind":"{{{kind.Kind}}}List"},
                  "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true} } }]} }
                """)!.AsObject());
        }

        return host;
    }

    private static JsonObject Sent(JsonObject body) => JsonNode.Parse(body.ToJsonString())!.AsObject();
}
