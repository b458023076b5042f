using Dora.Agent.Backups;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Testing.Vault;
using Dora.Vault;

namespace Dora.Agent.Tests.Backups;

/// <summary>Data keys wrapped by a key of a scripted Vault, as the pod of a run asks it.</summary>
public sealed class TransitWrapTests : IAsyncLifetime
{
    private const string Policy = """path "transit/encrypt/backups" { capabilities = ["update"] } path "transit/decrypt/backups" { capabilities = ["update"] }""";

    private static readonly BackupPlace _place = new("payments", "ledger", "redis", "20261121t030000z-a1b2c3");

    private readonly string _token = Path.GetTempFileName();
    private VaultServer _server = null!;
    private VaultSetup _setup = null!;
    private VaultClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await VaultServer.StartAsync();
        _setup = new(_server.Address, _server.RootToken);
        await _setup.EnginesAsync();
        await _setup.PolicyAsync(Policy);
        await _setup.KubernetesAsync();
        _server.Accounts.Add("a-projected-token");
        await File.WriteAllTextAsync(_token, "a-projected-token\n", Token);
        _client = new(new(_server.Address) { Deadline = TimeSpan.FromSeconds(1) }, new VaultLogin.Kubernetes(VaultSetup.Role, _token), TimeProvider.System);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        _setup.Dispose();
        await _server.DisposeAsync();
        File.Delete(_token);
    }

    [Fact]
    public async Task A_data_key_comes_back_also_after_Vaults_key_was_rotated_and_says_by_which_version_it_was_wrapped()
    {
        await _setup.PostAsync("transit/keys/backups/rotate", "{}");
        var (key, wrapped) = await Wrap().CreateAsync(Token);
        await _setup.PostAsync("transit/keys/backups/rotate", "{}");

        Assert.Equal(32, key.Length);
        Assert.Equal(("vault", "backups:v2"), (wrapped.Kind, wrapped.Id));
        Assert.Equal(key, await Wrap().UnwrapAsync(wrapped, Token));
    }

    [Fact]
    public async Task Two_backups_have_two_keys()
    {
        var (one, _) = await Wrap().CreateAsync(Token);
        var (other, _) = await Wrap().CreateAsync(Token);

        Assert.NotEqual(one, other);
    }

    [Fact]
    public async Task Beside_another_backup_a_wrapped_key_opens_nothing()
    {
        var (_, wrapped) = await Wrap().CreateAsync(Token);

        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap(_place with { Stack = "copy" }).UnwrapAsync(wrapped, Token));

        Assert.Contains("brought here from another backup", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_of_another_name_is_named_and_Vault_is_not_asked()
    {
        await _setup.PostAsync("transit/keys/others", "{}");
        var (_, wrapped) = await Wrap().CreateAsync(Token);
        var calls = _server.Calls.Count;

        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap(key: "others").UnwrapAsync(wrapped, Token));

        Assert.Contains("backups:v1", refused.Message, StringComparison.Ordinal);
        Assert.Equal(calls, _server.Calls.Count);
    }

    [Fact]
    public async Task What_a_Secrets_key_wrapped_Vault_is_not_asked_for()
    {
        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap().UnwrapAsync(new("secret", "0123456789abcdef", "AAAA"), Token));

        Assert.Contains("0123456789abcdef", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sealed_Vault_is_named_and_what_to_do()
    {
        _server.Sealed = true;

        Assert.Contains("unseal it", (await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap().CreateAsync(Token))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_policy_that_does_not_allow_it_is_told_the_path()
    {
        await _setup.PolicyAsync("""path "transit/encrypt/backups" { capabilities = ["update"] }""");
        var (_, wrapped) = await Wrap().CreateAsync(Token);

        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap().UnwrapAsync(wrapped, Token));

        Assert.Contains("transit/decrypt/backups", refused.Message, StringComparison.Ordinal);
        Assert.Contains("grant 'update'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_that_does_not_exist_is_named()
    {
        await _setup.PolicyAsync("""path "transit/encrypt/missing" { capabilities = ["update"] }""");

        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap(key: "missing").CreateAsync(Token));

        Assert.Contains("Vault's key missing", refused.Message, StringComparison.Ordinal);
        Assert.Contains("encryption key not found", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_login_that_is_refused_says_where()
    {
        _server.Accounts.Clear();

        Assert.Contains("auth/kubernetes", (await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap().CreateAsync(Token))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_message_holds_a_key_or_a_token()
    {
        var (key, wrapped) = await Wrap().CreateAsync(Token);
        var refused = await Assert.ThrowsAsync<KeyRefusedException>(() => Wrap(_place with { Id = "20261122t030000z-a1b2c3" }).UnwrapAsync(wrapped, Token));

        Assert.DoesNotContain(Convert.ToBase64String(key), refused.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("a-projected-token", refused.ToString(), StringComparison.Ordinal);
    }

    private TransitWrap Wrap(BackupPlace? place = null, string key = "backups") => new(new(_client), key, place ?? _place);
}
