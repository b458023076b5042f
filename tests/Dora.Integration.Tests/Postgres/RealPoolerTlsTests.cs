using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Dora.Engines;
using Dora.Engines.Postgres;
using Dora.Operator.Credentials;
using Dora.Testing.Http;
using Npgsql;
using Xunit;

namespace Dora.Integration.Tests.Postgres;

/// <summary>A real PgBouncer between clients and a cluster that both speak TLS only.</summary>
public sealed class RealPoolerTlsTests(EncryptedPods cluster) : IClassFixture<EncryptedPods>, IAsyncLifetime
{
    private readonly PatroniPods pods = cluster.Pods;
    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-pgbouncer-tls-{Environment.ProcessId}");
    private readonly int port = FreePort();
    private ChildProcess? pooler;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private TlsEndpoint Endpoint => pods.Endpoints.Single(endpoint => endpoint.Name == "pooler");

    public async ValueTask InitializeAsync()
    {
        pods.Plan = PatroniPods.PlanOf(new(Pooler: new(1, 2, 50)), new());
        await pods.HealthyAsync();
        Directory.CreateDirectory(folder);
        await StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (pooler is not null)
            await pooler.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Clients_and_the_pooler_encrypt_and_check()
    {
        await using var source = Source(pods.Trust, Endpoint.HostFormat);
        Assert.Equal("TLSv1.3", await ScalarAsync(source, "SELECT version FROM pg_stat_ssl WHERE ssl AND pid = pg_backend_pid()"));
    }

    [Fact]
    public async Task A_client_without_TLS_is_refused()
    {
        await using var plain = new NpgsqlSlimDataSourceBuilder($"{Login};SSL Mode=Disable").Build();
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(plain, "SELECT 1"));
        Assert.Contains("SSL required", refusal.MessageText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Patroni_is_told_in_its_pod_that_its_certificate_has_changed()
    {
        await WriteAsync("program.sh", "trap 'echo read again' HUP; echo started; while :; do sleep 0.2; done\n");
        // Who runs the tests may ignore the signal, and a shell cannot trap what was ignored when it began.
        await using var program = new ChildProcess("/usr/bin/env", ["--default-signal=HUP", "/bin/sh", "-c", Here(PostgresTls.Start($"/bin/sh {folder}/program.sh"))]);
        await ChildProcess.UntilAsync(() => Task.FromResult(program.Output), text => text.Contains("started", StringComparison.Ordinal), TimeSpan.FromSeconds(20), Token);
        Assert.DoesNotContain("read again", program.Output, StringComparison.Ordinal);
        await WriteCertificateAsync();
        await ChildProcess.UntilAsync(() => Task.FromResult(program.Output), text => text.Contains("read again", StringComparison.Ordinal), TimeSpan.FromSeconds(30), Token);
    }

    [Fact]
    public async Task A_client_with_an_older_version_is_refused()
    {
        await EncryptedPods.ServedAsync("127.0.0.1", port, Endpoint, Endpoint.HostFormat, pods.Trust, SslProtocols.Tls13);
        await Assert.ThrowsAnyAsync<Exception>(() => EncryptedPods.ServedAsync("127.0.0.1", port, Endpoint, Endpoint.HostFormat, pods.Trust, SslProtocols.Tls12));
    }

    [Fact]
    public async Task A_renewed_certificate_is_served_without_a_restart_and_connections_stay()
    {
        await using var source = Source(pods.Trust, Endpoint.HostFormat);
        await using var connection = await source.OpenConnectionAsync(Token);
        var before = await ServedAsync();
        await WriteCertificateAsync();
        Assert.NotEqual(before, await ChildProcess.UntilAsync(ServedAsync, serial => serial != before, TimeSpan.FromSeconds(60), Token));
        await using var command = new NpgsqlCommand("SELECT 1", connection);
        Assert.Equal(1, await command.ExecuteScalarAsync(Token));
    }

    [Fact]
    public async Task A_primary_that_the_pooler_does_not_trust_is_not_told_a_password()
    {
        using var stranger = new TestCertificates("stranger");
        try
        {
            await WriteAsync(CertificateRequest.Trust, stranger.AuthorityPem);
            // It forgets its connections to the server when somebody ends them there.
            var refused = await ChildProcess.UntilAsync(RefusedAsync, text => text.Contains("certificate verify failed", StringComparison.Ordinal), TimeSpan.FromSeconds(60), Token);
            Assert.NotEmpty(refused);
        }
        finally
        {
            await WriteAsync(CertificateRequest.Trust, pods.Trust);
            await using var source = Source(pods.Trust, Endpoint.HostFormat);
            await ChildProcess.UntilAsync(() => AnswersAsync(source), answers => answers, TimeSpan.FromSeconds(60), Token);
        }

        async Task<string> RefusedAsync()
        {
            await cluster.ScalarAsync(cluster.Roles().Primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IN ('app', 'pooler')");
            await using var source = Source(pods.Trust, Endpoint.HostFormat);
            await AnswersAsync(source);
            return pooler!.Output;
        }
    }

    private static async Task<bool> AnswersAsync(NpgsqlDataSource source)
    {
        try
        {
            return await ScalarAsync(source, "SELECT 1") is 1;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private async Task StartAsync()
    {
        await WriteCertificateAsync();
        await WriteAsync(CertificateRequest.Trust, pods.Trust);
        foreach (var field in PostgresPooler.Fields(pods.Plan))
            await WriteAsync(field.Key, CredentialText.Fill(field, new Dictionary<string, string> { ["username"] = PostgresPlan.PoolerUser, ["password"] = $"role-{PostgresPlan.PoolerUser}" }));
        await WriteAsync("pgbouncer.ini", Here(PostgresPooler.Config(pods.Plan, pods.Plan.Pooler!))
            .Replace($"listen_port = {PostgresPooler.Port}", string.Create(CultureInfo.InvariantCulture, $"listen_port = {port}"), StringComparison.Ordinal));
        var names = pods.Plan.Names;
        await File.WriteAllTextAsync(Path.Combine(folder, "hosts"), $"127.0.0.1 localhost\n{pods.Address(cluster.Roles().Primary)} {names.Domain(names.Cluster)}\n", Token);
        // Run is for a pod's shell, whose process is the pooler's.
        await WriteAsync("run.sh", Here(PostgresPooler.RunEncrypted));
        pooler = new("unshare", ["--mount", "/bin/sh", "-c", $"mount --bind {folder}/hosts /etc/hosts && exec setpriv --reuid postgres --regid postgres --clear-groups -- /bin/sh {folder}/run.sh"]);
        await ChildProcess.UntilAsync(() => Task.FromResult(pooler.Output), log => log.Contains("process up", StringComparison.Ordinal), TimeSpan.FromSeconds(20), Token);
    }

    private string Here(string text) => text
        .Replace("/etc/pgbouncer-auth/", $"{folder}/", StringComparison.Ordinal)
        .Replace("/etc/pgbouncer/", $"{folder}/", StringComparison.Ordinal)
        .Replace($"{PostgresTls.Folder}/", $"{folder}/", StringComparison.Ordinal);

    private async Task WriteCertificateAsync()
    {
        var files = cluster.Authority.ServerFiles(PostgresTls.Certificates(pods.Plan)[1].DnsNames);
        await WriteAsync(CertificateRequest.Chain, files[CertificateRequest.Chain]);
        await WriteAsync(CertificateRequest.Key, files[CertificateRequest.Key]);
    }

    private async Task WriteAsync(string name, string text)
    {
        var next = Path.Combine(folder, $"{name}.next");
        await File.WriteAllTextAsync(next, text, Token);
        await HackScript.RunAsync("chown", "root:postgres", next);
        await HackScript.RunAsync("chmod", "0440", next);
        File.Move(next, Path.Combine(folder, name), overwrite: true);
    }

    private Task<string> ServedAsync() => EncryptedPods.ServedAsync("127.0.0.1", port, Endpoint, Endpoint.HostFormat, pods.Trust);

    private string Login => string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={port};Username=app;Password={PatroniPods.AppPassword};Database=app;Pooling=false;Timeout=5;Command Timeout=5;No Reset On Close=true");

    private NpgsqlDataSource Source(string trust, string host) => new NpgsqlSlimDataSourceBuilder($"{Login};SSL Mode=VerifyFull")
        .EnableTransportSecurity()
        .UseSslClientAuthenticationOptionsCallback(options => ServerTrust.Of(trust).Expect(options, host))
        .Build();

    private static async Task<object?> ScalarAsync(NpgsqlDataSource source, string statement)
    {
        await using var command = source.CreateCommand(statement);
        return await command.ExecuteScalarAsync(Token);
    }

    private static int FreePort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
