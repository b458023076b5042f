using Dora.Testing.Http;
using Dora.Testing.Vault;

namespace Dora.Vault.Tests;

/// <summary>What answers mean, what is repeated, and where the token may go.</summary>
public sealed class AnswerTests
{
    private const string Path = "dora/ns/shop/postgres/app";
    private const string Data = "kv/data/" + Path;
    private const string Read = "read " + Data;

    private static readonly Dictionary<string, string> _value = new() { ["password"] = "correct horse" };

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(429)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(412)]
    public async Task A_read_is_repeated_after_a_passing_refusal(int code)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.WriteAsync(Path, _value, 0, Cancelled);
        vault.Answer(Data, code, times: 2);
        var found = Assert.IsType<KeyValueReading.Found>(await vault.WaitingAsync(vault.Kv.ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Equal("correct horse", found.Text("password"));
        Assert.Equal(3, vault.Count(Read));
    }

    [Fact]
    public async Task A_refusal_that_does_not_pass_ends_after_four_tries()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Answer(Data, 502, times: 100);
        await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.WaitingAsync(vault.Kv.ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Equal(4, vault.Count(Read));
    }

    [Fact]
    public async Task Nobody_waits_longer_than_a_moment_because_Vault_asks_for_it()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Answer(Data, 429, headers: "Retry-After: 120");
        var error = await Assert.ThrowsAsync<VaultThrottledException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Equal((TimeSpan.FromMinutes(2), 1), (error.RetryAfter, vault.Count(Read)));
    }

    [Theory]
    [InlineData(429, typeof(VaultThrottledException))]
    [InlineData(500, typeof(VaultException))]
    [InlineData(502, typeof(VaultUnreachableException))]
    [InlineData(503, typeof(VaultUnreachableException))]
    public async Task A_write_is_never_repeated(int code, Type expected)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Answer(Data, code);
        var error = await Record.ExceptionAsync(() => vault.Kv.WriteAsync(Path, _value, 0, Cancelled));
        Assert.IsType(expected, error);
        Assert.Single(vault.Server.Calls, call => call.Path == Data);
    }

    [Fact]
    public async Task A_write_whose_answer_was_lost_is_not_repeated()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Server.Fail(call => call.Path == Data, new VaultFault.CutAfter());
        await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.Kv.WriteAsync(Path, _value, 0, Cancelled));
        Assert.Equal(1, Assert.IsType<KeyValueReading.Found>(await vault.Kv.ReadAsync(Path, cancellationToken: Cancelled)).Version);
    }

    [Fact]
    public async Task A_new_login_whose_answer_was_lost_is_not_asked_for_again()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Setup.PostAsync("sys/mounts/database", """{"type":"database"}""");
        await vault.Setup.PostAsync("database/roles/reader", "{}");
        vault.Server.Fail(call => call.Path == "database/creds/reader", new VaultFault.CutAfter());
        await Assert.ThrowsAsync<VaultUnreachableException>(() => new DatabaseLogins(vault.Client).CreateAsync("reader", Cancelled));
        Assert.Single(vault.Server.Leases);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_read_whose_answer_is_cut_is_repeated(bool inBody)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.WriteAsync(Path, _value, 0, Cancelled);
        vault.Server.Fail(call => call.Path == Data, inBody ? new VaultFault.CutInBody() : new VaultFault.CutBefore(), times: 2);
        Assert.IsType<KeyValueReading.Found>(await vault.WaitingAsync(vault.Kv.ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Equal(3, vault.Count(Read));
    }

    [Fact]
    public async Task A_Vault_that_does_not_answer_is_given_up_at_the_deadline()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        var never = new TaskCompletionSource();
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        vault.Server.Fail(call => call.Path == Data && arrived.TrySetResult(), new VaultFault.Wait(never.Task));
        var call = vault.Kv.ReadAsync(Path, cancellationToken: Cancelled);
        await arrived.Task;
        vault.Clock.Advance(TimeSpan.FromSeconds(21));
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => call);
        Assert.Contains("within 20 s", error.Message, StringComparison.Ordinal);
        never.SetResult();
    }

    [Fact]
    public async Task Nobody_at_the_address_is_a_finding_that_names_the_address()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        var gone = await VaultServer.StartAsync();
        await gone.DisposeAsync();
        await File.WriteAllTextAsync(vault.Secret, vault.Server.RootToken, Cancelled);
        var client = vault.Connect(new VaultLogin.Token(vault.Secret), options => options with { Address = gone.Address });
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.WaitingAsync(new KeyValueStore(client, "kv").ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Contains(gone.Address.Authority, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sealed_Vault_is_told_from_one_that_was_never_initialised_and_neither_is_asked_again_and_again()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Server.Sealed = true;
        var error = await Assert.ThrowsAsync<VaultSealedException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Contains("unseal it", error.Message, StringComparison.Ordinal);
        Assert.Equal(("VaultSealed", 1), (error.Reason, vault.Count(Read)));
        Assert.Equal(VaultState.Sealed, (await vault.Client.HealthAsync(Cancelled)).State);

        vault.Server.Uninitialized = true;
        Assert.Equal(VaultState.Uninitialized, (await vault.Client.HealthAsync(Cancelled)).State);
    }

    [Fact]
    public async Task A_503_without_words_is_explained_by_what_the_health_says()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Answer(Data, 503, "", times: 4);
        vault.Server.Uninitialized = true;
        var error = await Assert.ThrowsAsync<VaultSealedException>(() => vault.WaitingAsync(vault.Kv.ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Contains("operator init", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(429, VaultState.Standby)]
    [InlineData(472, VaultState.DisasterRecoverySecondary)]
    [InlineData(473, VaultState.PerformanceStandby)]
    public async Task Standbys_are_told_apart(int code, VaultState expected)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Server.Active = vault.Server.Address;
        vault.Server.StandbyCode = code;
        Assert.Equal(expected, (await vault.Client.HealthAsync(Cancelled)).State);
    }

    [Fact]
    public async Task A_standby_sends_to_the_active_Vault_and_a_write_goes_there_whole()
    {
        await using var active = await VaultUnderTest.StartAsync();
        await using var standby = await VaultServer.StartAsync();
        standby.Active = active.Server.Address;
        var (role, secret) = await active.Setup.AppRoleAsync();
        await File.WriteAllTextAsync(active.Secret, secret, Cancelled);
        var client = active.Connect(new VaultLogin.AppRole(role, active.Secret), options => options with { Address = standby.Address, TrustedHosts = [active.Server.Address.Authority] });
        var kv = new KeyValueStore(client, "kv");
        Assert.Equal(1, await kv.WriteAsync(Path, _value, 0, Cancelled));
        Assert.Equal("correct horse", Assert.IsType<KeyValueReading.Found>(await kv.ReadAsync(Path, cancellationToken: Cancelled)).Text("password"));
    }

    [Fact]
    public async Task The_token_goes_to_no_host_that_is_not_trusted()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await using var stranger = await VaultServer.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Server.Active = stranger.Address;
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Contains($"{stranger.Address.Authority}, which is not trusted", error.Message, StringComparison.Ordinal);
        Assert.Empty(stranger.Calls);
    }

    [Fact]
    public async Task The_token_never_leaves_TLS()
    {
        using var certificates = new TestCertificates();
        using var certificate = certificates.Server();
        await using var plain = await VaultUnderTest.StartAsync();
        await using var secure = await VaultServer.StartAsync(certificate: certificate);
        secure.Active = plain.Server.Address;
        var client = plain.Connect(new VaultLogin.Token(plain.Secret), options => options with { Address = secure.Address, AuthorityPem = certificates.AuthorityPem, TrustedHosts = [plain.Server.Address.Authority] });
        var before = plain.Server.Calls.Count;
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => new KeyValueStore(client, "kv").ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Contains("without TLS", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, plain.Server.Calls.Count);
    }

    [Fact]
    public async Task A_server_whose_certificate_nobody_vouches_for_gets_no_token()
    {
        using var certificates = new TestCertificates();
        using var others = new TestCertificates();
        using var certificate = certificates.Server();
        await using var vault = await VaultUnderTest.StartAsync();
        await using var secure = await VaultServer.StartAsync(certificate: certificate);
        var client = vault.Connect(new VaultLogin.Token(vault.Secret), options => options with { Address = secure.Address, AuthorityPem = others.AuthorityPem });
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.WaitingAsync(new KeyValueStore(client, "kv").ReadAsync(Path, cancellationToken: Cancelled)));
        Assert.Contains("certificate is not trusted", error.Message, StringComparison.Ordinal);
        Assert.Empty(secure.Calls);
    }

    [Fact]
    public async Task Redirects_in_circles_end()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Server.Active = vault.Server.Address;
        var error = await Assert.ThrowsAsync<VaultUnreachableException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Contains("in circles", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, vault.Count(Read));
    }

    [Theory]
    [InlineData("{\"data\":{\"data\":{\"password\":\"correct ho", "cut")]
    [InlineData("<html>a proxy's page</html>", "cut")]
    [InlineData("{\"data\":[]}", "no data")]
    [InlineData("{\"data\":{\"data\":\"correct horse\",\"metadata\":{\"version\":1}}}", "another shape at $.data")]
    [InlineData("{\"data\":{\"data\":{\"password\":\"x\"}}}", "another shape")]
    [InlineData("{\"data\":{\"data\":null,\"metadata\":{\"version\":1}}}", "neither data nor a deletion")]
    public async Task An_answer_of_another_shape_is_no_answer_and_is_not_quoted(string body, string problem)
    {
        await using var vault = await VaultUnderTest.StartAsync();
        vault.Answer(Data, 200, body);
        var error = await Assert.ThrowsAsync<VaultInvalidAnswerException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("correct", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_without_end_is_not_read_to_its_end()
    {
        await using var vault = await VaultUnderTest.StartAsync(options: options => options with { LongestAnswer = 4096 });
        vault.Answer(Data, 200, new string(' ', 5000));
        await Assert.ThrowsAsync<VaultInvalidAnswerException>(() => vault.Kv.ReadAsync(Path, cancellationToken: Cancelled));
    }

    [Fact]
    public async Task An_error_that_repeats_its_input_is_cleaned()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Answer(Data, 400, $$"""{"errors":["cannot store 'correct horse' for {{vault.Server.Tokens[0]}}"]}""");
        var error = await Assert.ThrowsAsync<VaultException>(() => vault.Kv.WriteAsync(Path, _value, 0, Cancelled));
        Assert.Contains("cannot store '***' for ***", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Namespace_and_origin_go_with_each_call()
    {
        await using var vault = await VaultUnderTest.StartAsync(options: options => options with { Namespace = "team-a/" });
        vault.Server.Namespace = "team-a/";
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        var calls = vault.Server.Calls.Where(call => call.Operation == "list" || call.Path == "auth/approle/login").ToList();
        Assert.Equal(2, calls.Count);
        Assert.All(calls, call => Assert.Equal(("team-a/", "true"), (call.Namespace, call.Headers["X-Vault-Request"])));
    }

    [Fact]
    public async Task A_read_names_the_write_that_it_must_not_miss()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Kv.ListAsync("dora/ns/shop/redis", Cancelled);
        vault.Answer(Data, 200, """{"data":{"version":1}}""", headers: "X-Vault-Index: djE6abc");
        await vault.Kv.WriteAsync(Path, _value, 0, Cancelled);
        await vault.Kv.ReadAsync(Path, cancellationToken: Cancelled);
        Assert.Equal("djE6abc", vault.Server.Calls[^1].Headers["X-Vault-Index"]);
    }

    [Fact]
    public async Task What_is_not_mounted_is_no_missing_secret()
    {
        await using var vault = await VaultUnderTest.StartAsync();
        await vault.Setup.PolicyAsync("""path "*" { capabilities = ["read"] }""");
        await Assert.ThrowsAsync<VaultNotFoundException>(() => new KeyValueStore(vault.Client, "nowhere").ReadAsync(Path, cancellationToken: Cancelled));
    }

    [Theory]
    [InlineData("../../sys/seal")]
    [InlineData("dora//app")]
    [InlineData("")]
    public void A_path_cannot_leave_its_mount(string path) => Assert.Throws<ArgumentException>(() => VaultRequest.Join("kv", "data", path));
}
