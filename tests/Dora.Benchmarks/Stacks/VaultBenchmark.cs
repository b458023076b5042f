using Dora.Api;
using Dora.Benchmarks.Measuring;
using Dora.Testing.Vault;

namespace Dora.Benchmarks.Stacks;

/// <summary>What stacks whose passwords and certificates come from Vault ask it: until they have them, and at rest.</summary>
internal sealed class VaultBenchmark(Bench bench, int count)
{
    private const string Namespace = "bench-vault";
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    // A minute and a half: passwords are looked at each half minute.
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(90);

    public async Task<VaultReport> RunAsync(string program, CancellationToken cancellationToken)
    {
        await using var vault = await VaultServer.StartAsync();
        using var setup = new VaultSetup(vault.Address, vault.RootToken);
        await setup.EnginesAsync();
        await setup.PostAsync("pki/roles/db-server", """{"allow_any_name":true,"key_type":"ec","max_ttl":"2160h"}""");
        var token = bench.LogFile("vault-token");
        await File.WriteAllTextAsync(token, vault.RootToken, cancellationToken);
        var address = vault.Address.ToString().TrimEnd('/');

        using var client = bench.Connect();
        await bench.EnsureNamespaceAsync(client, Namespace, cancellationToken);
        await using var subject = await OperatorUnderTest.StartAsync(bench, "operator-vault", program, Namespace, cancellationToken, "--vault-address", address, "--vault-auth", "token", "--vault-token-file", token);
        bench.Say($"creating {count} stacks with Vault");
        await bench.ForEachAsync(Enumerable.Range(0, count), async (i, stop) => await client.CreateAsync(StackResource.Type, Stack(i, address), stop), cancellationToken);
        var secrets = await SettledAsync(vault, cancellationToken);
        var before = vault.Calls.Count;
        bench.Say($"counting requests to Vault for {Rest.TotalSeconds:f0} s");
        await bench.PauseAsync(Rest.TotalSeconds, cancellationToken);
        subject.Process.RequireRunning();
        var rest = vault.Calls.Skip(before).ToList();
        return new(
            count,
            secrets / (double)count,
            before / (double)count,
            rest.Count / (double)count / Rest.TotalHours,
            rest.Count(call => call.Path.StartsWith("pki/", StringComparison.Ordinal)));
    }

    // Ends when nothing was written or signed for a while; how many Secrets Vault holds then.
    private async Task<int> SettledAsync(VaultServer vault, CancellationToken cancellationToken)
    {
        var (began, last, seen) = (bench.Clock.GetTimestamp(), bench.Clock.GetTimestamp(), 0);
        while (bench.Clock.GetElapsedTime(last) < Calm || seen == 0)
        {
            await bench.PauseAsync(0.5, cancellationToken);
            var writes = vault.Calls.Count(call => call.Operation != "read");
            if (writes != seen)
                (last, seen) = (bench.Clock.GetTimestamp(), writes);
            if (bench.Clock.GetElapsedTime(began) > Limit)
                throw new TimeoutException($"stacks still write to Vault after {Limit.TotalMinutes} minutes");
        }

        return vault.Calls.Where(call => call.Operation == "update" && call.Path.StartsWith("kv/data/", StringComparison.Ordinal)).Select(call => call.Path).Distinct().Count();
    }

    private static ComplianceStack Stack(int i, string address) => new(
        new($"vault-{i}", Namespace),
        new(
            Tier.Development,
            StackLoad.Two.Engines,
            Credentials: new(CredentialSource.Vault, new(address)),
            Tls: new(TlsIssuer.Vault, Vault: new("db-server"))));
}
