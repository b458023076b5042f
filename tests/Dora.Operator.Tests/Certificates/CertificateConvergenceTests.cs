using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer;

namespace Dora.Operator.Tests.Certificates;

/// <summary>Certificates by the whole operator.</summary>
[Collection("operator")]
public sealed class CertificateConvergenceTests
{
    private const string Spec = "{tier: Development, engines: {redis: {}}}";
    private const string ByCertManager = "{tier: Development, engines: {redis: {}}, tls: {issuer: CertManager, issuerRef: {name: corporate}}}";

    [Fact]
    public async Task A_converged_stack_costs_no_write_also_after_a_restart_and_reports_its_certificates()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", Spec);
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["status"] == "True");
        await host.ConvergedAsync("shop");
        Assert.DoesNotContain(host.Server.Requests.All, request => request is { Resource: "secrets", Verb: "get" });
        var register = host.Find(StackResource.Type.Resource, "shop")!["status"]!["certificates"]!.AsArray();
        Assert.Equal(["shop-ca", "shop-redis-tls"], register.Select(entry => (string?)entry!["secretName"]));
        Assert.Equal((string?)host.Find(KubeTypes.ConfigMaps.Resource, "shop-trust")!["data"]!["ca.crt"], Decoded(host, "shop-redis-tls", "ca.crt"));

        host.Server.Requests.Clear();
        await host.StopAsync();
        _ = host.Start();
        await host.PassesAsync(4);
        Assert.Empty(host.Writes());
    }

    [Fact]
    public async Task A_certificate_that_is_lost_comes_back_from_the_same_authority()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["status"] == "True");
        await host.StopAsync();
        var authority = Decoded(host, "shop-ca", "tls.crt");
        host.Server.Delete(KubeTypes.Secrets.Resource, OperatorHost.Namespace, "shop-redis-tls");
        _ = host.Start();
        await host.UntilAsync(() => host.Find(KubeTypes.Secrets.Resource, "shop-redis-tls") is not null);
        Assert.Equal(authority, Decoded(host, "shop-redis-tls", "ca.crt"));
    }

    [Fact]
    public async Task The_annotation_brings_a_new_root_into_every_bundle()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["status"] == "True");
        host.Server.Patch(StackResource.Type.Resource, OperatorHost.Namespace, "shop", new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [Labels.RotateAuthority] = "now" } } });
        await host.UntilAsync(() => Decoded(host, "shop-redis-tls", "ca.crt")?.Split("BEGIN").Length == 3 && ((string?)host.Find(KubeTypes.ConfigMaps.Resource, "shop-trust")?["data"]?["ca.crt"])?.Split("BEGIN").Length == 3);
        await host.ConvergedAsync("shop");
    }

    [Fact]
    public async Task Without_cert_manager_the_stack_stalls_and_with_it_Certificates_appear_and_go_again()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", ByCertManager);
        await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["reason"] == "IssuerUnavailable");
        await host.StopAsync();
        host.Define(Definition());
        _ = host.Start();
        await host.UntilAsync(() => host.Find(KubeTypes.Certificates.Resource, "shop-redis-tls") is not null);
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["reason"] == "IssuerUnavailable");
        await host.ConvergedAsync("shop");

        // cert-manager has made it.
        host.Server.Create(KubeTypes.Secrets.Resource, OperatorHost.Namespace, new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Secret",
            ["type"] = "kubernetes.io/tls",
            ["metadata"] = new JsonObject
            {
                ["name"] = "shop-redis-tls",
                ["namespace"] = OperatorHost.Namespace,
                ["labels"] = new JsonObject { [Labels.Stack] = "shop", [Labels.ManagedBy] = Labels.ManagedByValue },
                ["annotations"] = new JsonObject { ["cert-manager.io/certificate-name"] = "shop-redis-tls" },
            },
            ["data"] = new JsonObject { ["tls.crt"] = "", ["tls.key"] = "" },
        });
        await host.PassesAsync(1);
        host.PatchSpec("shop", "{tls: {issuer: Operator, issuerRef: null}}");
        await host.UntilAsync(() => host.Find(KubeTypes.Certificates.Resource, "shop-redis-tls") is null);
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["status"] == "True");
        await host.ConvergedAsync("shop");
    }

    private static string? Decoded(OperatorHost host, string secret, string key) =>
        (string?)host.Find(KubeTypes.Secrets.Resource, secret)?["data"]?[key] is { } value ? System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(value)) : null;

    private static JsonObject Definition() => JsonNode.Parse(
        """
        {"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"name":"certificates.cert-manager.io"},
         "spec":{"group":"cert-manager.io","scope":"Namespaced","names":{"plural":"certificates","singular":"certificate","kind":"Certificate","listKind":"CertificateList"},
         "versions":[{"name":"v1","served":true,"storage":true,"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}
        """)!.AsObject();
}
