using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.ApiServer.Contract;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>Certificates in Secrets of a real kube-apiserver, from the first to the end of a rotation.</summary>
[Collection("operator")]
public sealed class RealCertificateTests(RealServer server)
{
    private static readonly (string Engine, CertificateRequest Request)[] Wanted =
    [
        ("redis", new("shop-redis-tls", ["shop-redis.example.svc", "*.shop-redis-members.example.svc"], NeedsCombined: true)),
        ("postgres", new("shop-postgres-tls", ["shop-postgres.example.svc"])),
    ];

    private static readonly string Text =
        $$"""{"apiVersion": "{{StackResource.ApiVersion}}", "kind": "{{StackResource.Kind}}", "metadata": {"name": "shop"}, "spec": {"tier": "Development", "engines": {"redis": {} } } }""";

    private readonly ManualClock _clock = new();
    private string _uid = "";
    private readonly string _namespace = $"certs-{Guid.NewGuid():N}"[..16];

    [Fact]
    public async Task A_rotation_goes_through_and_a_Secret_that_changed_meanwhile_is_read_again()
    {
        var api = new RawClient(server.Http);
        (await api.Post("/api/v1/namespaces", new JsonObject { ["metadata"] = new JsonObject { ["name"] = _namespace } })).Must(201);
        using var client = new KubeClient(KubeConfig.Load(server.Kubeconfig, null), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        using var vault = new VaultCredentials(client, VaultAccess.None, _ => { }, _clock, NullLogger<VaultCredentials>.Instance);
        // Secrets of a stack that is not there would be collected as garbage.
        await OperatorRun.InstallAsync(api);
        var created = await api.Post($"/apis/{StackResource.ApiVersion}/namespaces/{_namespace}/compliancestacks", JsonNode.Parse(Text)!.AsObject());
        created.Must(201);
        _uid = (string)JsonNode.Parse(created.Text)!["metadata"]!["uid"]!;
        Assert.Equal(3, (await PassAsync(client, Stack(null), Store(client, vault))).Done.Count);
        var first = await SecretAsync(client, "shop-redis-tls");
        Assert.Equal("kubernetes.io/tls", first.Type);
        Assert.Equal(_uid, first.Metadata.Controller!.Uid);

        var looked = Store(client, vault);
        Assert.Empty((await PassAsync(client, Stack(null), looked)).Done);
        await client.PatchAsync(KubeTypes.Secrets, _namespace, "shop-ca", KubePatch.Merge(new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["somebody/else"] = "was here" } } }), TestContext.Current.CancellationToken);
        var refused = await PassAsync(client, Stack("now"), looked);
        Assert.Empty(refused.Done);
        Assert.Empty(refused.Failures);

        for (var i = 0; i < 12; i++)
        {
            await PassAsync(client, Stack("now"), Store(client, vault));
            _clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Empty((await PassAsync(client, Stack("now"), Store(client, vault))).Done);
        var (authority, last) = (await SecretAsync(client, "shop-ca"), await SecretAsync(client, "shop-redis-tls"));
        Assert.Equal([Authority.Certificate, Authority.Key], authority.Data!.Keys.Order(StringComparer.Ordinal));
        Assert.Equal("2", last.Metadata.Annotation(Labels.AuthorityGeneration));
        Assert.Equal(authority.Data[Authority.Certificate], last.Data![CertificateRequest.Trust]);
        Assert.NotEqual(first.Data![CertificateRequest.Chain], last.Data[CertificateRequest.Chain]);
        Assert.StartsWith("-----BEGIN PRIVATE KEY-----", Encoding.UTF8.GetString(Convert.FromBase64String(last.Data[CertificateRequest.Combined])), StringComparison.Ordinal);
    }

    private CredentialStore Store(KubeClient client, VaultCredentials vault) => new(client, vault, _clock);

    private Task<Secret> SecretAsync(KubeClient client, string name) => client.GetAsync(KubeTypes.Secrets, _namespace, name, TestContext.Current.CancellationToken);

    // One pass of an operator that knows what this store has kept.
    private async Task<ExecutionReport> PassAsync(KubeClient client, ComplianceStack stack, CredentialStore credentials)
    {
        var observed = StackObservation.Nowhere(stack, new()) with
        {
            Now = _clock.GetUtcNow(),
            Credentials = await credentials.ReadAsync(stack, [.. Wanted.Select(one => one.Request.SecretName), "shop-ca"], isNew: false, TestContext.Current.CancellationToken),
        };
        var plan = CertificatePlan.Of(StackPlanner.Context(stack, new(), new()), Wanted, observed, serving: true);
        var executor = new PlanExecutor(client, credentials, new(client, credentials, _clock), new(_clock), NullLogger<PlanExecutor>.Instance);
        return await executor.ExecuteAsync(observed, new(plan.Steps, [], []), TestContext.Current.CancellationToken);
    }

    private ComplianceStack Stack(string? rotate)
    {
        var stack = StackFile.Read(Text)[0];
        stack = stack with { Metadata = stack.Metadata with { Namespace = _namespace, Uid = _uid } };
        return rotate is null ? stack : stack with { Metadata = stack.Metadata with { Annotations = new Dictionary<string, string> { [Labels.RotateAuthority] = rotate } } };
    }
}
