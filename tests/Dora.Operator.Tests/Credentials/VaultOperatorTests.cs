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
        var file = Path.GetTempFileName();
        await using var vault = await VaultServer.StartAsync();
        using var setup = new VaultSetup(vault.Address, vault.RootToken);
        await setup.EnginesAsync();
        await setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl"), TestContext.Current.CancellationToken));
        await setup.KubernetesAsync();
        vault.Accounts.Add("projected-token");
        await File.WriteAllTextAsync(file, "projected-token", TestContext.Current.CancellationToken);
        var address = vault.Address.ToString().TrimEnd('/');

        await using var host = await OperatorHost.StartAsync(start: false);
        host.Vault = new([address], File: file);
        _ = host.Start();
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
        File.Delete(file);
    }

    [Fact]
    public async Task A_stack_whose_certificates_Vault_signs_converges_and_at_rest_Vault_signs_no_more()
    {
        var file = Path.GetTempFileName();
        await using var vault = await VaultServer.StartAsync();
        using var setup = new VaultSetup(vault.Address, vault.RootToken);
        await setup.EnginesAsync();
        await setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl"), TestContext.Current.CancellationToken));
        await setup.KubernetesAsync();
        vault.Accounts.Add("projected-token");
        await File.WriteAllTextAsync(file, "projected-token", TestContext.Current.CancellationToken);
        var address = vault.Address.ToString().TrimEnd('/');

        await using var host = await OperatorHost.StartAsync(start: false);
        host.Vault = new([address], File: file);
        _ = host.Start();
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
        File.Delete(file);
    }

    [Fact]
    public async Task A_login_that_Vault_gives_reaches_its_Secret_and_nothing_is_asked_or_written_after_it()
    {
        var file = Path.GetTempFileName();
        await using var vault = await VaultServer.StartAsync();
        using var setup = new VaultSetup(vault.Address, vault.RootToken);
        await setup.EnginesAsync();
        await setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl"), TestContext.Current.CancellationToken));
        await setup.KubernetesAsync();
        await setup.PostAsync("sys/mounts/database", """{"type":"database"}""");
        await setup.PostAsync("database/roles/compliance.clerk", """{"default_ttl":3600}""");
        vault.Accounts.Add("projected-token");
        await File.WriteAllTextAsync(file, "projected-token", TestContext.Current.CancellationToken);
        var address = vault.Address.ToString().TrimEnd('/');

        await using var host = await OperatorHost.StartAsync(start: false);
        host.Vault = new([address], File: file);
        _ = host.Start();
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
        File.Delete(file);
    }

    private static bool Writes(VaultCall call) => call.Path.StartsWith("kv/", StringComparison.Ordinal) && call.Operation != "read";
}
