using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Testing.Http;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>A real Redis over TLS with append-only files, whose user <c>backup</c> may do what the operator lets it.</summary>
internal sealed class BackupRedis : IAsyncDisposable
{
    public const string Password = "backup-Zk3w9Rt5";

    private const string AdminPassword = "admin-Xq7m2Lp8";
    private static int count;

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-backup-redis-{Environment.ProcessId}-{Interlocked.Increment(ref count)}");
    private ChildProcess? server;

    private BackupRedis()
    {
        Directory.CreateDirectory(Data);
        using var certificates = new TestCertificates();
        foreach (var (name, content) in certificates.ServerFiles(["localhost"]))
            File.WriteAllText(Path.Combine(folder, name), content);
    }

    /// <summary>Its volume.</summary>
    public string Data => Path.Combine(folder, "data");

    public int Port { get; } = FreePort();

    /// <summary>File with who signed its certificate.</summary>
    public string Authority => Path.Combine(folder, "ca.crt");

    /// <summary>Keys that were written under load.</summary>
    public int Written { get; private set; }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>With an empty volume, and no server yet.</summary>
    public static BackupRedis Create() => new();

    public static async Task<BackupRedis> StartAsync(params string[] settings)
    {
        var redis = new BackupRedis();
        await redis.StartServerAsync(settings);
        return redis;
    }

    public async Task StartServerAsync(params string[] settings)
    {
        var rules = RedisUsers.Of(Postgres.PostgresServer.Names, new()).Single(user => user.Name == "backup").Rules;
        var acl = Path.Combine(folder, "users.acl");
        await File.WriteAllTextAsync(acl, $"user default off\nuser admin on >{AdminPassword} ~* &* +@all\nuser backup on >{Password} {string.Join(' ', rules)}\n", Token);
        server = new("redis-server", ["--port", "0", "--tls-port", Port.ToString(CultureInfo.InvariantCulture), "--tls-cert-file", Path.Combine(folder, "tls.crt"), "--tls-key-file", Path.Combine(folder, "tls.key"), "--tls-ca-cert-file", Authority, "--tls-auth-clients", "no", "--dir", Data, "--appendonly", "yes", "--save", "", "--aclfile", acl, "--bind", "127.0.0.1", .. settings]);
        await ChildProcess.UntilAsync(() => Task.FromResult(server.Output), output => output.Contains("Ready to accept connections", StringComparison.Ordinal), TimeSpan.FromSeconds(20), Token);
    }

    /// <summary>Writes keys.</summary>
    public async Task FillAsync(int keys)
    {
        await using var client = await ConnectAsync();
        for (var number = 0; number < keys; number++)
            await client.SendAsync(Token, "SET", $"key-{number}", $"value-{number}");
    }

    /// <summary>Writes new keys until it is stopped.</summary>
    public async Task WriteUntilAsync(CancellationToken stop)
    {
        await using var client = await ConnectAsync();
        while (!stop.IsCancellationRequested)
            await client.SendAsync(Token, "SET", $"late-{Written++}", "value");
    }

    public async Task<int> KeysAsync()
    {
        await using var client = await ConnectAsync();
        return int.Parse((await client.SendAsync(Token, "DBSIZE")).Text!, CultureInfo.InvariantCulture);
    }

    public async Task<string?> GetAsync(string key)
    {
        await using var client = await ConnectAsync();
        return (await client.SendAsync(Token, "GET", key)).Text;
    }

    /// <summary>Waits until the server makes a copy.</summary>
    public Task CopyBegunAsync() => ChildProcess.UntilAsync(() => Task.FromResult(server!.Output), output => output.Contains("Background RDB transfer started", StringComparison.Ordinal) || output.Contains("Starting BGSAVE", StringComparison.Ordinal), TimeSpan.FromSeconds(30), Token);

    /// <summary>As the kernel would.</summary>
    public async Task KillAsync()
    {
        await server!.DisposeAsync();
        server = null;
    }

    public async ValueTask DisposeAsync()
    {
        if (server is not null)
            await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    private Task<RespClient> ConnectAsync() => RespClient.ConnectAsync("127.0.0.1", Port, "admin", AdminPassword, Token, tls: ServerTrust.Of(File.ReadAllText(Authority)).Expecting("localhost"));

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
