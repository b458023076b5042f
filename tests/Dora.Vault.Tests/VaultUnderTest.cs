using Dora.Testing;
using Dora.Testing.Vault;

namespace Dora.Vault.Tests;

/// <summary>A scripted Vault set up as the documentation asks, a clock, and a client with a login of its own.</summary>
internal sealed class VaultUnderTest : IAsyncDisposable
{
    private readonly List<IDisposable> _open = [];

    private VaultUnderTest(VaultServer server, ManualClock clock) => (Server, Clock, Setup) = (server, clock, new(server.Address, server.RootToken));

    public VaultServer Server { get; }

    public ManualClock Clock { get; }

    public VaultSetup Setup { get; }

    public VaultClient Client { get; private set; } = null!;

    /// <summary>File with the secret id, the account's token or the token.</summary>
    public string Secret { get; } = Path.GetTempFileName();

    public static string Policy => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "vault-policy.hcl"));

    /// <param name="ttl">Lease of tokens in seconds.</param>
    /// <param name="longest">To which they may be renewed in all; 0: for ever.</param>
    /// <param name="options">Other options of the client.</param>
    public static async Task<VaultUnderTest> StartAsync(int ttl = 3600, int longest = 0, Func<VaultOptions, VaultOptions>? options = null)
    {
        var clock = new ManualClock();
        var test = new VaultUnderTest(await VaultServer.StartAsync(clock), clock);
        await test.Setup.EnginesAsync();
        await test.Setup.PolicyAsync(Policy);
        var (role, secret) = await test.Setup.AppRoleAsync(ttl, longest);
        await File.WriteAllTextAsync(test.Secret, secret + "\n");
        test.Client = test.Connect(new VaultLogin.AppRole(role, test.Secret), options);
        return test;
    }

    public VaultClient Connect(VaultLogin login, Func<VaultOptions, VaultOptions>? options = null)
    {
        var wanted = new VaultOptions(Server.Address);
        var client = new VaultClient(options is null ? wanted : options(wanted), login, Clock);
        _open.Add(client);
        return client;
    }

    public KeyValueStore Kv => new(Client, "kv");

    /// <summary>Calls from now on fail as in this answer.</summary>
    public void Answer(string path, int code, string body = """{"errors":[]}""", int times = 1, params string[] headers) =>
        Server.Fail(call => call.Path == path, new VaultFault.Answer(code, body, Headers: headers), times);

    public int Count(string call) => Server.Calls.Count(made => made.ToString() == call);

    /// <summary>The result of a call that waits in between for the clock.</summary>
    public Task<T> WaitingAsync<T>(Task<T> call) => Clock.DrivingAsync(call);

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _open)
            client.Dispose();
        Setup.Dispose();
        await Server.DisposeAsync();
        File.Delete(Secret);
    }
}
