using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>What Istio is told, on a real kube-apiserver that serves its kind with the schema of what is used, with just the operator's rights.</summary>
[Collection("operator")]
public sealed class RealMeshTests(RealServer server)
{
    // The fields of Istio's own definition that matter here.
    private const string Istio =
        """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"peerauthentications.security.istio.io"},
         "spec":{"group":"security.istio.io","scope":"Namespaced","names":{"plural":"peerauthentications","singular":"peerauthentication","kind":"PeerAuthentication","listKind":"PeerAuthenticationList"},
         "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object","properties":{
           "mtls":{"type":"object","properties":{"mode":{"type":"string","enum":["UNSET","DISABLE","PERMISSIVE","STRICT"]}}},
           "portLevelMtls":{"type":"object","minProperties":1,"additionalProperties":{"type":"object","properties":{"mode":{"type":"string","enum":["UNSET","DISABLE","PERMISSIVE","STRICT"]}}}},
           "selector":{"type":"object","properties":{"matchLabels":{"type":"object","maxProperties":4096,"additionalProperties":{"type":"string","maxLength":63}}}}}}}}}}]}}
        """;

    [Fact]
    public async Task A_stack_in_a_mesh_converges_and_leaves_nothing_of_it_behind()
    {
        const string definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        await using var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        (await run.Api.Post(definitions, JsonNode.Parse(Istio)!)).Must(201);
        try
        {
            _ = run.Start();
            await run.ApplyAsync("shop", "{tier: Development, network: {mesh: Istio}, engines: {postgres: {pooler: {instances: 1}}}}");
            await run.UntilAsync(StackResource.Type.Resource, "shop", body => (string?)body["status"]?["network"]?["mesh"] == "Istio", TimeSpan.FromSeconds(40));
            await run.ConvergedAsync("shop");
            var peers = (await run.Api.Get(run.Path(KubeTypes.PeerAuthentications.Resource))).Must(200)["items"]!.AsArray();
            Assert.Equal(["shop-postgres", "shop-postgres-pooler"], peers.Select(item => (string)item!["metadata"]!["name"]!).Order());
            Assert.Equal(["5432", "8008"], peers[0]!["spec"]!["portLevelMtls"]!.AsObject().Select(port => port.Key));

            (await run.Api.Patch(run.Path(StackResource.Type.Resource, "shop"), JsonNode.Parse("""{"spec":{"network":{"mesh":"None"}}}""")!)).Must(200);
            await run.UntilAsync(StackResource.Type.Resource, "shop", body => body["status"]?["network"]?["mesh"] is null, TimeSpan.FromSeconds(40));
            Assert.Empty((await run.Api.Get(run.Path(KubeTypes.PeerAuthentications.Resource))).Must(200)["items"]!.AsArray());
            await run.ConvergedAsync("shop");
        }
        finally
        {
            (await run.Api.Delete($"{definitions}/peerauthentications.security.istio.io")).Must(200);
        }
    }
}
