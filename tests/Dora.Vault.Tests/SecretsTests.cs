using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Testing.Vault;

namespace Dora.Vault.Tests;

/// <summary>
/// The secrets engines, under the policy of <c>docs/vault-policy.hcl</c>: on a scripted Vault, and on the real one that
/// <c>DORA_TEST_VAULT</c> and <c>DORA_TEST_VAULT_TOKEN</c> name.
/// </summary>
public sealed class SecretsTests : IAsyncLifetime
{
    private readonly string _secret = System.IO.Path.GetTempFileName();
    // A real server keeps what an earlier run wrote.
    private readonly string _folder = $"dora/tests/{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
    private VaultServer? _server;
    private VaultSetup _setup = null!;
    private VaultClient _client = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private string Path => $"{_folder}/postgres/app";

    private KeyValueStore Kv => new(_client, "kv");

    public async ValueTask InitializeAsync()
    {
        var real = Environment.GetEnvironmentVariable("DORA_TEST_VAULT");
        _server = string.IsNullOrEmpty(real) ? await VaultServer.StartAsync() : null;
        var address = _server?.Address ?? new Uri(real!);
        _setup = new(address, _server?.RootToken ?? Environment.GetEnvironmentVariable("DORA_TEST_VAULT_TOKEN") ?? throw new InvalidOperationException("DORA_TEST_VAULT_TOKEN is not set"));
        await _setup.EnginesAsync();
        await _setup.PolicyAsync(VaultUnderTest.Policy);
        var (role, secret) = await _setup.AppRoleAsync();
        await File.WriteAllTextAsync(_secret, secret);
        _client = new(new(address), new VaultLogin.AppRole(role, _secret), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _setup.Dispose();
        if (_server is not null)
            await _server.DisposeAsync();
        File.Delete(_secret);
    }

    [Fact]
    public async Task What_is_written_is_read_and_older_versions_too()
    {
        Assert.IsType<KeyValueReading.Absent>(await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Null(await Kv.VersionAsync(Path, Cancelled));
        Assert.Equal(1, await Kv.WriteAsync(Path, Value("one"), 0, Cancelled));
        Assert.Equal(2, await Kv.WriteAsync(Path, Value("two"), 1, Cancelled));
        var newest = Assert.IsType<KeyValueReading.Found>(await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Equal(("two", 2), (newest.Text("password"), newest.Version));
        Assert.Equal("one", Assert.IsType<KeyValueReading.Found>(await Kv.ReadAsync(Path, 1, Cancelled)).Text("password"));
        Assert.Equal(new KeyValueVersion(2, false, false), await Kv.VersionAsync(Path, Cancelled));
    }

    [Fact]
    public async Task Of_two_that_create_one_wins_and_the_other_knows()
    {
        await Kv.WriteAsync(Path, Value("first"), 0, Cancelled);
        var error = await Assert.ThrowsAsync<VaultConflictException>(() => Kv.WriteAsync(Path, Value("second"), 0, Cancelled));
        Assert.DoesNotContain("second", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<VaultConflictException>(() => Kv.WriteAsync(Path, Value("second"), 7, Cancelled));
        Assert.Equal("first", Assert.IsType<KeyValueReading.Found>(await Kv.ReadAsync(Path, cancellationToken: Cancelled)).Text("password"));
    }

    [Fact]
    public async Task A_patch_leaves_the_other_keys()
    {
        await Kv.WriteAsync(Path, new Dictionary<string, string> { ["password"] = "one", ["note"] = "kept" }, 0, Cancelled);
        Assert.Equal(2, await Kv.PatchAsync(Path, Value("two"), 1, Cancelled));
        var found = Assert.IsType<KeyValueReading.Found>(await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Equal(("two", "kept"), (found.Text("password"), found.Text("note")));
        await Assert.ThrowsAsync<VaultConflictException>(() => Kv.PatchAsync(Path, Value("three"), 1, Cancelled));
    }

    [Fact]
    public async Task Deleted_destroyed_and_absent_are_three_things()
    {
        await Kv.WriteAsync(Path, Value("one"), 0, Cancelled);
        await _setup.DeleteAsync(Path);
        Assert.Equal(new KeyValueReading.Deleted(1), await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.Equal(new KeyValueVersion(1, true, false), await Kv.VersionAsync(Path, Cancelled));
        await Assert.ThrowsAsync<VaultConflictException>(() => Kv.WriteAsync(Path, Value("two"), 0, Cancelled));
        await _setup.PostAsync($"kv/destroy/{Path}", """{"versions":[1]}""");
        Assert.Equal(new KeyValueReading.Destroyed(1), await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        await _setup.DeleteAsync(Path, metadata: true);
        Assert.IsType<KeyValueReading.Absent>(await Kv.ReadAsync(Path, cancellationToken: Cancelled));
    }

    [Fact]
    public async Task A_value_that_is_no_text_is_not_taken_for_one()
    {
        await _setup.WriteAsync(Path, new() { ["password"] = 42, ["empty"] = "", ["list"] = new JsonArray("x") });
        var found = Assert.IsType<KeyValueReading.Found>(await Kv.ReadAsync(Path, cancellationToken: Cancelled));
        Assert.All(new[] { "password", "empty", "list", "missing" }, key => Assert.Null(found.Text(key)));
    }

    [Fact]
    public async Task A_folder_without_anything_lists_nothing()
    {
        Assert.Empty(await Kv.ListAsync($"{_folder}/postgres", Cancelled));
        await Kv.WriteAsync(Path, Value("one"), 0, Cancelled);
        await Kv.WriteAsync($"{_folder}/postgres/users/alice", Value("one"), 0, Cancelled);
        Assert.Equal(["app", "users/"], await Kv.ListAsync($"{_folder}/postgres", Cancelled));
    }

    [Fact]
    public async Task The_policy_lets_the_operator_no_further_than_its_own_paths()
    {
        await Assert.ThrowsAsync<VaultForbiddenException>(() => Kv.ReadAsync("others/secret", cancellationToken: Cancelled));
        await Assert.ThrowsAsync<VaultForbiddenException>(() => Kv.WriteAsync("dora/too-short", Value("x"), 0, Cancelled));
        await Assert.ThrowsAsync<VaultForbiddenException>(() => new CertificateIssuer(_client).SignAsync("any-server", "", new("x.compliance.svc"), cancellationToken: Cancelled));
    }

    [Fact]
    public async Task A_key_that_Vault_never_sees_is_signed_for_the_names_of_its_request()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var signed = await SignAsync(key, "shop-redis.compliance.svc", "shop-redis-0.compliance.svc");
        using var certificate = X509Certificate2.CreateFromPem(signed.Certificate);
        Assert.Equal(key.ExportSubjectPublicKeyInfo(), certificate.PublicKey.ExportSubjectPublicKeyInfo());
        Assert.True(certificate.MatchesHostname("shop-redis-0.compliance.svc"));
        Assert.InRange(certificate.NotAfter - TimeProvider.System.GetUtcNow().LocalDateTime, TimeSpan.FromMinutes(115), TimeSpan.FromMinutes(121));
        using var authority = X509Certificate2.CreateFromPem(Assert.Single(signed.Chain));
        Assert.Equal(authority.SubjectName.RawData, certificate.IssuerName.RawData);
    }

    [Fact]
    public async Task A_name_that_the_role_does_not_allow_is_refused_in_Vaults_own_words()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var error = await Assert.ThrowsAsync<VaultException>(() => SignAsync(key, "shop-redis.compliance.svc", "www.example.com"));
        Assert.Equal((400, "VaultRefused"), (error.HttpCode, error.Reason));
        Assert.Contains("subject alternate name www.example.com not allowed by this role", error.Message, StringComparison.Ordinal);
    }

    private Task<IssuedCertificate> SignAsync(ECDsa key, string common, string other)
    {
        var request = new CertificateRequest($"CN={common}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(common);
        names.AddDnsName(other);
        request.CertificateExtensions.Add(names.Build());
        return new CertificateIssuer(_client).SignAsync("db-server", request.CreateSigningRequestPem(), new(common, [common, other]), TimeSpan.FromHours(2), Cancelled);
    }

    [Fact]
    public async Task What_was_encrypted_comes_back_where_it_is_bound_to_also_after_the_key_was_rotated()
    {
        var transit = new TransitKeys(_client);
        var associated = Encoding.UTF8.GetBytes("payments/2026-11-20");
        var key = RandomNumberGenerator.GetBytes(32);
        var text = await transit.EncryptAsync("backups", key, associated, Cancelled);
        Assert.Equal(key, await transit.DecryptAsync("backups", text, associated, Cancelled));
        await _setup.PostAsync("transit/keys/backups/rotate", "{}");
        Assert.Equal(key, await transit.DecryptAsync("backups", text, associated, Cancelled));
        await Assert.ThrowsAsync<VaultException>(() => transit.DecryptAsync("backups", text, Encoding.UTF8.GetBytes("another backup"), Cancelled));
        Assert.Equal("hello"u8.ToArray(), await transit.DecryptAsync("backups", await transit.EncryptAsync("backups", "hello"u8.ToArray(), cancellationToken: Cancelled), cancellationToken: Cancelled));
    }

    [Fact]
    public async Task What_was_encrypted_under_an_old_version_is_wrapped_anew_unless_it_is_bound_to_other_data()
    {
        var transit = new TransitKeys(_client);
        var key = RandomNumberGenerator.GetBytes(32);
        var free = await transit.EncryptAsync("backups", key, cancellationToken: Cancelled);
        var bound = await transit.EncryptAsync("backups", key, "one backup"u8.ToArray(), Cancelled);
        await _setup.PostAsync("transit/keys/backups/rotate", "{}");
        var again = await transit.RewrapAsync("backups", free, Cancelled);
        Assert.NotEqual(free.Split(':')[1], again.Split(':')[1]);
        Assert.Equal(key, await transit.DecryptAsync("backups", again, cancellationToken: Cancelled));
        await Assert.ThrowsAsync<VaultException>(() => transit.RewrapAsync("backups", bound, Cancelled));
    }

    [Fact]
    public async Task Logins_in_databases_have_leases_and_static_ones_are_rotated()
    {
        Assert.SkipWhen(_server is null, "a real Vault would need a real database");
        await _setup.PostAsync("sys/mounts/database", """{"type":"database"}""");
        await _setup.PostAsync("database/roles/reader", """{"default_ttl":600}""");
        await _setup.PostAsync("database/static-roles/app", """{"username":"app","rotation_period":86400}""");
        var database = new DatabaseLogins(_client);
        var login = await database.CreateAsync("reader", Cancelled);
        Assert.Equal((TimeSpan.FromMinutes(10), true), (login.Lease.Duration, login.Lease.Renewable));
        var leases = new VaultLeases(_client);
        Assert.Equal(TimeSpan.FromMinutes(5), (await leases.RenewAsync(login.Lease.Id, TimeSpan.FromMinutes(5), Cancelled)).Duration);
        await leases.RevokeAsync(login.Lease.Id, Cancelled);
        Assert.Empty(_server.Leases);

        var before = await database.ReadAsync("app", Cancelled);
        await _setup.PostAsync("database/rotate-role/app", "{}");
        var after = await database.ReadAsync("app", Cancelled);
        Assert.Equal(("app", TimeSpan.FromDays(1)), (after.Username, after.Period));
        Assert.NotEqual(before.Password, after.Password);
    }

    [Fact]
    public async Task What_holds_a_secret_does_not_print_it()
    {
        await Kv.WriteAsync(Path, Value("a-secret-value"), 0, Cancelled);
        var text = $"{await Kv.ReadAsync(Path, cancellationToken: Cancelled)} {new DynamicLogin("v-app", "a-secret-value", new("lease", TimeSpan.Zero, false))} {new StaticLogin("app", "a-secret-value", null, TimeSpan.Zero, TimeSpan.Zero)}";
        Assert.DoesNotContain("a-secret-value", text, StringComparison.Ordinal);
    }

    private static Dictionary<string, string> Value(string value) => new() { ["password"] = value };
}
