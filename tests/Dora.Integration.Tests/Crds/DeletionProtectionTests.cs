using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Dora.Operator.Stacks;
using Xunit;

namespace Dora.Integration.Tests.Crds;

/// <summary>The deletion policy in the admission plugin of today's API machinery, asked by real DELETE requests.</summary>
[Collection("crd-server")]
public sealed class DeletionProtectionTests(CrdServer server)
{
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    private const string Stacks = "/apis/dora-operator.io/v1alpha1/namespaces/default/compliancestacks";

    [Fact]
    public async Task A_protected_stack_is_not_deleted_alone_nor_with_others_until_the_protection_is_lifted()
    {
        await using var policies = await PolicyServer.StartAsync(server, DeletionProtectionPolicy.Policy(), DeletionProtectionPolicy.Binding());
        var api = policies.Api;
        await policies.UntilAsync(() => api.Post(Definitions, StackDefinition.Render()), 201);
        await policies.UntilAsync(() => api.Post(Stacks, Stack("safe", "deletionProtection: true, ")), 201);
        await policies.UntilAsync(() => api.Post(Stacks, Stack("open", "")), 201);
        // The plugin takes up policies within a second or so.
        await policies.UntilAsync(() => api.Delete($"{Stacks}/safe?dryRun=All"), 403);

        var refused = (await api.Delete($"{Stacks}/safe")).Must(403);
        Assert.EndsWith(
            """denied request: spec.deletionProtection of stack safe is true; to delete it, first run: kubectl -n default patch compliancestack safe --type merge -p '{"spec":{"deletionProtection":false}}'""",
            refused.Message,
            StringComparison.Ordinal);
        (await api.Delete($"{Stacks}/open")).Must(200);
        (await api.Delete(Stacks)).Must(403);
        (await api.Get($"{Stacks}/safe")).Must(200);

        (await api.Patch($"{Stacks}/safe", JsonNode.Parse("""{"spec":{"deletionProtection":false}}""")!)).Must(200);
        (await api.Delete($"{Stacks}/safe")).Must(200);
    }

    [Fact]
    public async Task Deleting_the_definition_takes_protected_stacks_away_too()
    {
        await using var policies = await PolicyServer.StartAsync(server, DeletionProtectionPolicy.Policy(), DeletionProtectionPolicy.Binding());
        var api = policies.Api;
        await policies.UntilAsync(() => api.Post(Definitions, StackDefinition.Render()), 201);
        await policies.UntilAsync(() => api.Post(Stacks, Stack("safe", "deletionProtection: true, ")), 201);
        await policies.UntilAsync(() => api.Delete($"{Stacks}/safe?dryRun=All"), 403);
        (await api.Delete($"{Definitions}/compliancestacks.dora-operator.io")).Must(200);
        await policies.UntilAsync(() => api.Get($"{Definitions}/compliancestacks.dora-operator.io"), 404);
        await policies.UntilAsync(() => api.Post(Definitions, StackDefinition.Render()), 201);
        await policies.UntilAsync(() => api.Get(Stacks), 200);
        Assert.Empty((await api.Get(Stacks))["items"]!.AsArray());
    }

    private static JsonNode Stack(string name, string field) => KubeYaml.Read(
        $"{{apiVersion: dora-operator.io/v1alpha1, kind: ComplianceStack, metadata: {{name: {name}}}, spec: {{tier: Development, {field}engines: {{redis: {{}}}}}}}}")!;
}
