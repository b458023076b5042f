using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Dora.Operator.Stacks;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.Crds;

/// <summary>
/// The CEL of the deletion policy, compiled and run by today's API machinery: as a rule of a definition with the schema of stacks,
/// where <c>oldSelf</c> of an update stands for the <c>oldObject</c> of a delete. What this does not show is the admission plugin
/// itself: that it asks on DELETE, and binds policy and binding.
/// </summary>
[Collection("crd-server")]
public sealed class DeletionProtectionRuleTests(CrdServer server)
{
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    private readonly string _group = $"p{Guid.NewGuid():N}.example.com";

    private string Stacks => $"/apis/{_group}/v1alpha1/namespaces/default/compliancestacks";

    [Theory]
    [InlineData("deletionProtection: true, ", true)]
    [InlineData("deletionProtection: false, ", false)]
    [InlineData("", false)]
    public async Task Only_a_stack_with_deletionProtection_true_is_refused_and_the_message_says_how_to_lift_it(string field, bool refused)
    {
        await InstallAsync();
        var before = (await Api.Post(Stacks, Stack(field))).Must(201).Body;
        before["metadata"]!["labels"] = new JsonObject { ["any"] = "change" };
        var answer = await Api.Put($"{Stacks}/shop", before);
        Assert.Equal(refused ? 422 : 200, answer.Code);
        if (refused)
        {
            Assert.Contains(
                """spec.deletionProtection of stack shop is true; to delete it, first run: kubectl -n default patch compliancestack shop --type merge -p '{"spec":{"deletionProtection":false}}'""",
                answer.Message!.Replace("\\\"", "\"", StringComparison.Ordinal),
                StringComparison.Ordinal);
        }
    }

    private RawClient Api => server.Api;

    private async Task InstallAsync()
    {
        var definition = StackDefinition.Render();
        definition["metadata"]!["name"] = $"compliancestacks.{_group}";
        definition["spec"]!["group"] = _group;
        var schema = definition["spec"]!["versions"]![0]!["schema"]!["openAPIV3Schema"]!;
        // The API server fills in the default; without it a stack may also lack the field, as one stored before there was one does.
        schema["properties"]!["spec"]!["properties"]!["deletionProtection"]!.AsObject().Remove("default");
        schema["x-kubernetes-validations"]!.AsArray().Add((JsonNode)new JsonObject
        {
            ["rule"] = OfUpdate(DeletionProtectionPolicy.Expression),
            ["messageExpression"] = OfUpdate(DeletionProtectionPolicy.MessageExpression),
        });
        (await Api.Post(Definitions, definition)).Must(201);
        await server.ConditionsAsync($"compliancestacks.{_group}");
        while ((await Api.Get(Stacks)).Code == 404)
            await Task.Delay(50, RawClient.Token);
    }

    // A definition's rule sees of metadata only the name.
    private static string OfUpdate(string expression) =>
        expression.Replace("oldObject.metadata.namespace", "'default'", StringComparison.Ordinal).Replace("oldObject", "oldSelf", StringComparison.Ordinal);

    private JsonNode Stack(string field) => KubeYaml.Read(
        $"{{apiVersion: {_group}/v1alpha1, kind: ComplianceStack, metadata: {{name: shop}}, spec: {{tier: Development, {field}engines: {{redis: {{}}}}}}}}")!;
}
