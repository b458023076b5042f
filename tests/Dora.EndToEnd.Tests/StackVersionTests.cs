using Dora.Api;
using Dora.Engines.Redis;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>A stack of the first version comes to the newest one, in which everything is encrypted, while a client writes.</summary>
public sealed class StackVersionTests(Cluster cluster)
{
    private const string Stack = "elder";

    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(6);

    [Fact]
    public async Task Members_of_PostgreSQL_come_to_encryption_one_by_one_and_nothing_committed_is_lost()
    {
        await cluster.ApplyAsync(Stack, $"{{tier: Development, stackVersion: '{StackVersions.V202611}', engines: {{postgres: {{instances: 2}}}}}}");
        var plain = await cluster.ReadyAsync(Stack);
        Assert.Equal(("False", "PlaintextAccepted"), Encryption(plain));
        var before = await PodsAsync();
        var application = await PostgresApplication.ConnectCarelesslyAsync(cluster, Stack);
        await using var writer = application.Write("versions");
        await writer.MoreAsync(20, _patience);

        await cluster.PatchSpecAsync(Stack, $"{{stackVersion: '{StackVersions.Newest}'}}");
        await cluster.UntilAsync(StackResource.Type, Stack, stack => Encryption(stack) == ("True", "PolicyMet"), _patience, "encrypted, as measured");
        await cluster.ReadyAsync(Stack, _patience);
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        Assert.Empty(before.Intersect(await PodsAsync()));
        TestContext.Current.TestOutputHelper?.WriteLine($"PostgreSQL, from stackVersion 2026.11 to 2026.12: outage seen by the client {writer.Outage.TotalSeconds:F1} s, {writer.Acknowledged.Count} writes acknowledged");
        Assert.Empty(writer.Acknowledged.Except(await application.ReadAsync("versions")));
        Assert.InRange(writer.Outage, TimeSpan.Zero, OutageLimit.Postgres);
        await cluster.DeleteStackAsync(Stack);
    }

    [Fact]
    public async Task Redis_with_Sentinels_comes_to_encryption_all_at_once_when_it_may_and_keeps_its_data()
    {
        const string name = "elders";
        await cluster.ApplyAsync(name, $"{{tier: Development, stackVersion: '{StackVersions.V202611}', engines: {{redis: {{mode: Sentinel}}}}}}");
        await cluster.ReadyAsync(name);
        var password = await cluster.SecretAsync($"{name}-redis-app", "password");
        var address = await cluster.AddressAsync($"{name}-redis");
        await Writer.UntilDoneAsync(async token =>
        {
            await using var client = await RespClient.ConnectAsync(address, RedisPlan.Port, RedisPlan.AppUser, password, token);
            await client.SendAsync(token, "SET", "receipt", "42");
            Assert.Equal("2", (await client.SendAsync(token, "WAIT", "2", "1000")).Text);
        });

        await cluster.PatchSpecAsync(name, $"{{stackVersion: '{StackVersions.Newest}'}}");
        await cluster.UntilAsync(StackResource.Type, name, stack => stack.Status?.Conditions?.Any(condition => condition is { Type: "Stalled", Reason: "RestartTogetherNeeded" }) == true, _patience, "asking whether members may restart together");
        await cluster.AnnotateAsync(name, Labels.RestartTogether, "redis");
        await cluster.UntilAsync(StackResource.Type, name, stack => Encryption(stack) == ("True", "PolicyMet"), _patience, "encrypted, as measured");
        await cluster.ReadyAsync(name, _patience);
        var trust = await cluster.TrustAsync(name);
        await Writer.UntilDoneAsync(async token =>
        {
            await using var client = await RespClient.ConnectAsync(address, RedisPlan.Port, RedisPlan.AppUser, password, token, tls: trust($"{name}-redis"));
            Assert.Equal("42", (await client.SendAsync(token, "GET", "receipt")).Text);
        });
        await cluster.DeleteStackAsync(name);
    }

    private static (string?, string?) Encryption(ComplianceStack stack) =>
        stack.Status?.Conditions?.FirstOrDefault(condition => condition.Type == ConditionTypes.EncryptedInTransit) is { } condition ? (condition.Status, condition.Reason) : default;

    private async Task<List<string?>> PodsAsync() => [.. (await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={Stack}")).Select(pod => pod.Metadata.Uid)];
}
