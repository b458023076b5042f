using System.Text;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.Vault;

namespace Dora.Operator.Tests.Credentials;

/// <summary>The whole operator with a Vault.</summary>
[Collection("operator")]
public sealed class VaultOperatorTests
{
    [Fact]
    public async Task A_stack_with_Vault_converges_and_neither_it_nor_a_restart_writes_any_more()
    {
        await using var run = await Run.StartAsync();
        var (vault, setup, host, address) = (run.Vault, run.Setup, run.Host, run.Address);
        host.Apply("shop", $"{{tier: Development, credentials: {{source: Vault, vault: {{address: '{address}'}}}}, engines: {{postgres: {{}}, redis: {{}}, mongodb: {{}}, neo4j: {{}}, influxdb: {{}}}}}}");
        await host.ConditionAsync("shop", ConditionTypes.CredentialsCurrent, condition => (string?)condition["status"] == Conditions.True);
        await host.ConvergedAsync("shop");
        foreach (var secret in host.Server.All(KubeTypes.Secrets.Resource))
        {
            var name = (string)secret["metadata"]!["name"]!;
            // Certificates are no concern of Vault's KV engine.
            if (name == "shop-ca" || name.EndsWith("-tls", StringComparison.Ordinal))
                continue;
            var values = await setup.ReadAsync($"dora/{OperatorHost.Namespace}/shop/{name.Split('-')[1]}/{name}");
            Assert.True(values is not null || name == "shop-influxdb-app", $"{name} is not in Vault");
            // Its token is made by the server.
            if (values is null)
                continue;
            Assert.All(values, pair => Assert.Equal((string?)pair.Value, Encoding.UTF8.GetString(Convert.FromBase64String((string)secret["data"]![pair.Key]!))));
        }

        await host.StopAsync();
        var (written, held) = (host.Writes().Count, vault.Calls.Count(Writes));
        _ = host.Start();
        await host.PassesAsync(3);
        Assert.Equal((written, held), (host.Writes().Count, vault.Calls.Count(Writes)));
    }

    [Fact]
    public async Task A_stack_whose_certificates_Vault_signs_converges_and_at_rest_Vault_signs_no_more()
    {
        await using var run = await Run.StartAsync();
        var (vault, host, address) = (run.Vault, run.Host, run.Address);
        host.Apply("shop", $"{{tier: Development, tls: {{issuer: Vault, vault: {{pkiRole: db-server, address: '{address}'}}}}, engines: {{postgres: {{}}, redis: {{}}, mongodb: {{}}, neo4j: {{}}, influxdb: {{}}}}}}");
        await host.ConditionAsync("shop", ConditionTypes.CertificatesCurrent, condition => (string?)condition["status"] == Conditions.True);
        await host.ConvergedAsync("shop");
        var (written, asked) = (host.Writes().Count, vault.Calls.Count);
        Assert.Equal(5, vault.Calls.Count(call => call.ToString() == "update pki/sign/db-server"));
        var trust = (string?)host.Find(KubeTypes.ConfigMaps.Resource, "shop-trust")!["data"]!["ca.crt"];
        Assert.Equal(trust, Encoding.UTF8.GetString(Convert.FromBase64String((string)host.Find(KubeTypes.Secrets.Resource, "shop-redis-tls")!["data"]!["ca.crt"]!)));

        await host.StopAsync();
        _ = host.Start();
        await host.PassesAsync(3);
        Assert.Equal((written, asked), (host.Writes().Count, vault.Calls.Count));
    }

    [Fact]
    public async Task A_login_that_Vault_gives_reaches_its_Secret_and_nothing_is_asked_or_written_after_it()
    {
        await using var run = await Run.StartAsync();
        var (vault, setup, host, address) = (run.Vault, run.Setup, run.Host, run.Address);
        await setup.PostAsync("sys/mounts/database", """{"type":"database"}""");
        await setup.PostAsync("database/roles/compliance.clerk", """{"default_ttl":3600}""");
        host.Apply("shop", $"{{tier: Development, credentials: {{source: Vault, vault: {{address: '{address}'}}}}, engines: {{postgres: {{roles: [{{name: clerk, vault: {{dynamicRole: compliance.clerk}}}}]}}}}}}");
        await host.ConditionAsync("shop", ConditionTypes.CredentialsCurrent, condition => (string?)condition["status"] == Conditions.True);
        await host.ConvergedAsync("shop");
        var secret = host.Find(KubeTypes.Secrets.Resource, "shop-postgres-vault-clerk")!;
        Assert.Equal(Assert.Single(vault.Leases), Encoding.UTF8.GetString(Convert.FromBase64String((string)secret["data"]!["vault-lease"]!)));
        Assert.Equal("shop", (string?)secret["metadata"]!["ownerReferences"]![0]!["name"]);

        var written = host.Writes().Count;
        await host.StopAsync();
        _ = host.Start();
        await host.PassesAsync(3);
        Assert.Equal((written, 1), (host.Writes().Count, vault.Leases.Count));
        Assert.Equal(["read database/creds/compliance.clerk", "update sys/leases/renew"], vault.Calls.Where(call => call.Path.StartsWith("database/creds", StringComparison.Ordinal) || call.Path.StartsWith("sys/leases", StringComparison.Ordinal)).Select(call => call.ToString()));
    }

    private static bool Writes(VaultCall call) => call.Path.StartsWith("kv/", StringComparison.Ordinal) && call.Operation != "read";

    /// <summary>An operator that logs in to a scripted Vault as its service account.</summary>
    private sealed record Run(VaultServer Vault, VaultSetup Setup, OperatorHost Host, string File) : IAsyncDisposable
    {
        public string Address => Vault.Address.ToString().TrimEnd('/');

        public static async Task<Run> StartAsync()
        {
            var vault = await VaultServer.StartAsync();
            var run = new Run(vault, new(vault.Address, vault.RootToken), await OperatorHost.StartAsync(start: false), Path.GetTempFileName());
            await run.Setup.EnginesAsync();
            await run.Setup.PolicyAsync(await System.IO.File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl"), TestContext.Current.CancellationToken));
            await run.Setup.KubernetesAsync();
            vault.Accounts.Add("projected-token");
            await System.IO.File.WriteAllTextAsync(run.File, "projected-token", TestContext.Current.CancellationToken);
            run.Host.Vault = new([run.Address], File: run.File);
            _ = run.Host.Start();
            return run;
        }

        public async ValueTask DisposeAsync()
        {
            await Host.DisposeAsync();
            Setup.Dispose();
            await Vault.DisposeAsync();
            System.IO.File.Delete(File);
        }
    }
}
