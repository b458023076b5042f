using Dora.Testing.Vault;

namespace Dora.Vault.Tests;

/// <summary>Who we are, and for how long.</summary>
public sealed class LoginTests
{
    private const string Login = "update auth/approle/login";
    private const string Renewal = "update auth/token/renew-self";

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_callers_share_one_login()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await Task.WhenAll(Enumerable.Range(0, 10).Select(number => vault.Kv.WriteAsync($"dora/ns/shop/redis/{number}", Value("x"), 0, Cancelled)));
        Assert.Equal(1, vault.Count(Login));
        Assert.Equal(10, (await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled)).Count);
    }

    [Fact]
    public async Task Ten_callers_share_one_failed_login_too()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await File.WriteAllTextAsync(vault.Secret, "not the secret id", Cancelled);
        var errors = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Assert.ThrowsAsync<VaultForbiddenException>(() => vault.Kv.VersionAsync("dora/ns/shop/redis/app", Cancelled))));
        Assert.Equal(1, vault.Count(Login));
        Assert.All(errors, error => Assert.Contains("invalid role or secret ID", error.Message, StringComparison.Ordinal));
        Assert.All(errors, error => Assert.DoesNotContain("not the secret id", error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_token_is_renewed_at_two_thirds_of_its_lease_and_not_before()
    {
        await using var vault = await VaultUnderTest.StartAsync(ttl: 900);
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Clock.Advance(TimeSpan.FromSeconds(560));
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal(0, vault.Count(Renewal));
        vault.Clock.Advance(TimeSpan.FromSeconds(40));
        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled)));
        Assert.Equal((1, 1), (vault.Count(Renewal), vault.Count(Login)));
    }

    [Fact]
    public async Task A_token_near_the_end_of_what_it_may_be_renewed_to_is_replaced_by_a_login()
    {
        await using var vault = await VaultUnderTest.StartAsync(ttl: 900, longest: 1000);
        for (var minute = 0; minute < 60; minute++)
        {
            await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
            vault.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.InRange(vault.Count(Login), 3, 7);
        Assert.InRange(vault.Count(Renewal), 1, 8);
        Assert.DoesNotContain(vault.Server.Calls, call => call.Operation == "list" && call.Token is null);
    }

    [Fact]
    public async Task A_token_that_cannot_be_renewed_because_Vault_is_away_is_used_to_its_end()
    {
        await using var vault = await VaultUnderTest.StartAsync(ttl: 900);
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Clock.Advance(TimeSpan.FromSeconds(700));
        vault.Server.Fail(call => call.ToString() == Renewal, new VaultFault.CutBefore());
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal((1, 1), (vault.Count(Renewal), vault.Count(Login)));
        vault.Clock.Advance(TimeSpan.FromSeconds(30));
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal((2, 1), (vault.Count(Renewal), vault.Count(Login)));
    }

    [Fact]
    public async Task After_a_long_rest_the_token_has_ended_and_a_login_comes_before_the_call()
    {
        await using var vault = await VaultUnderTest.StartAsync(ttl: 900);
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Clock.Advance(TimeSpan.FromHours(2));
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal((0, 2, 2), (vault.Count(Renewal), vault.Count(Login), vault.Count("list kv/metadata/dora/ns/shop/redis")));
    }

    [Fact]
    public async Task A_revoked_token_is_replaced_once_and_the_call_repeated()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Server.Revoke(Assert.Single(vault.Server.Tokens));
        await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled)));
        Assert.Equal(2, vault.Count(Login));
    }

    [Fact]
    public async Task A_path_that_is_not_allowed_causes_one_login_and_then_fails_at_once_for_a_while()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        for (var tries = 0; tries < 5; tries++)
        {
            var error = await Assert.ThrowsAsync<VaultForbiddenException>(() => vault.Kv.ReadAsync("someone/else", cancellationToken: Cancelled));
            Assert.Contains("read kv/data/someone/else", error.Message, StringComparison.Ordinal);
        }

        await Assert.ThrowsAsync<VaultForbiddenException>(() => vault.Kv.ReadAsync("another/one", cancellationToken: Cancelled));
        Assert.Equal((2, 2), (vault.Count(Login), vault.Count("read kv/data/someone/else")));
        Assert.Empty(await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled));

        await vault.Setup.PolicyAsync("""path "kv/*" { capabilities = ["read"] }""");
        vault.Clock.Advance(TimeSpan.FromSeconds(31));
        Assert.IsType<KeyValueReading.Absent>(await vault.Kv.ReadAsync("someone/else", cancellationToken: Cancelled));
    }

    [Fact]
    public async Task The_token_of_the_service_account_is_read_again_at_each_login()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Setup.KubernetesAsync(ttl: 600);
        vault.Server.Accounts.Add("jwt-of-the-first-hour");
        await File.WriteAllTextAsync(vault.Secret, "jwt-of-the-first-hour", Cancelled);
        var kv = new KeyValueStore(vault.Connect(new VaultLogin.Kubernetes(VaultSetup.Role, vault.Secret)), "kv");
        await kv.ListAsync("dora/ns/shop/redis", Cancelled);

        vault.Server.Accounts.Clear();
        vault.Server.Accounts.Add("jwt-of-the-second-hour");
        await File.WriteAllTextAsync(vault.Secret, "jwt-of-the-second-hour", Cancelled);
        vault.Clock.Advance(TimeSpan.FromHours(1));
        await kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal(["jwt-of-the-first-hour", "jwt-of-the-second-hour"], vault.Server.Calls.Where(call => call.Path == "auth/kubernetes/login").Select(call => (string?)call.Body["jwt"]));
    }

    [Fact]
    public async Task A_role_that_does_not_exist_is_named_and_the_account_s_token_is_not()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Setup.KubernetesAsync();
        await File.WriteAllTextAsync(vault.Secret, "eyJhbGciOi.secret.jwt", Cancelled);
        var client = vault.Connect(new VaultLogin.Kubernetes("nobody", vault.Secret));
        var error = await Assert.ThrowsAsync<VaultForbiddenException>(() => new KeyValueStore(client, "kv").ListAsync("dora/ns/shop/redis", Cancelled));
        Assert.Contains("invalid role name \"nobody\"", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("eyJ", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_from_a_file_is_looked_up_and_read_again_when_it_has_ended()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await File.WriteAllTextAsync(vault.Secret, await vault.Setup.TokenAsync(600, renewable: false), Cancelled);
        var kv = new KeyValueStore(vault.Connect(new VaultLogin.Token(vault.Secret)), "kv");
        await kv.ListAsync("dora/ns/shop/redis", Cancelled);
        await File.WriteAllTextAsync(vault.Secret, await vault.Setup.TokenAsync(7200, renewable: false), Cancelled);
        vault.Clock.Advance(TimeSpan.FromMinutes(11));
        await kv.ListAsync("dora/ns/shop/redis", Cancelled);
        Assert.Equal(2, vault.Count("read auth/token/lookup-self"));
    }

    [Theory]
    [InlineData(null, "cannot be read")]
    [InlineData("\n", "is empty")]
    [InlineData("hvs.nobody-issued-this", "does not accept the token")]
    public async Task A_file_without_a_usable_token_is_named(string? content, string problem)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        var file = content is null ? vault.Secret + ".missing" : vault.Secret;
        await File.WriteAllTextAsync(vault.Secret, content ?? "", Cancelled);
        var client = vault.Connect(new VaultLogin.Token(file));
        var error = await Assert.ThrowsAsync<VaultForbiddenException>(() => new KeyValueStore(client, "kv").ListAsync("dora/ns/shop/redis", Cancelled));
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hvs.", error.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Value(string value) => new() { ["password"] = value };
}
