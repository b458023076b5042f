using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Text;
using Dora.Api;
using Dora.Engines.Redis;
using Dora.Kubernetes.Model;
using Npgsql;

namespace Dora.EndToEnd.Tests;

/// <summary>Passwords of three engines change on real pods, under applications that read their Secrets over and over.</summary>
public sealed class RotationTests(Cluster cluster)
{
    private const string Stack = "turning";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true, Explicit = true)]
    public async Task Passwords_change_and_no_application_ever_sees_a_failed_login(bool untilServersOwnAreProven)
    {
        await cluster.ApplyAsync(Stack, """
            tier: Development
            credentials: {rotation: {overlap: 1m}}
            engines:
              postgres: {instances: 2}
              redis: {}
              influxdb: {version: '1.6'}
            """);
        await cluster.ReadyAsync(Stack);
        Application[] applications = [await PostgresAsync(), await RedisAsync(), await InfluxAsync()];
        foreach (var application in applications)
            await Writer.UntilDoneAsync(async _ => Assert.False(await application.RefusedAsync(await HeldAsync(application.Secret))));
        var superuser = await SuperuserAsync();
        await Writer.UntilDoneAsync(async _ => Assert.Equal(["standby"], await ReplicasAsync(superuser)));
        var before = new Dictionary<string, (string Username, string Password)>();
        foreach (var application in applications)
            before[application.Secret] = await HeldAsync(application.Secret);

        using var over = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var refused = new ConcurrentQueue<string>();
        var logins = new ConcurrentDictionary<string, int>();
        var working = applications.Select(application => Task.Run(() => WorkAsync(application, refused, logins, over.Token))).ToList();
        await cluster.AnnotateAsync(Stack, Labels.RotateCredentials, "first");
        // What pods read from files is accepted for ten minutes more.
        var done = await cluster.UntilAsync(StackResource.Type, Stack, now => Proven(now, rotation => untilServersOwnAreProven || applications.Any(application => application.Secret == rotation.SecretName)), TimeSpan.FromMinutes(30), "rotated");
        await over.CancelAsync();
        await Task.WhenAll(working);

        Assert.Empty(refused);
        Assert.Equal("Current", done.Status!.Conditions.Find(ConditionTypes.CredentialsRotated)?.Reason);
        foreach (var application in applications)
        {
            Assert.True(logins[application.Secret] > 10, $"{application.Secret}: {logins[application.Secret]}");
            Assert.NotEqual(before[application.Secret].Password, (await HeldAsync(application.Secret)).Password);
            Assert.True(await application.RefusedAsync(before[application.Secret]), $"{application.Secret}: the old password still opens");
        }

        if (untilServersOwnAreProven)
            await ServersOwnAsync(superuser);
        await cluster.DeleteStackAsync(Stack);
    }

    private async Task ServersOwnAsync((string Username, string Password) superuser)
    {
        Assert.Equal(("postgres", "postgres.b"), (superuser.Username, (await SuperuserAsync()).Username));
        Assert.Equal(["standby.b"], await ReplicasAsync(await SuperuserAsync()));
        Assert.Equal(PostgresErrorCodes.InvalidPassword, (await Assert.ThrowsAsync<PostgresException>(() => ReplicasAsync(superuser))).SqlState);
    }

    /// <summary>Logs in once.</summary>
    /// <param name="Secret">What it reads.</param>
    /// <param name="RefusedAsync">Whether the server says that user or password is wrong; throws for any other fault.</param>
    private sealed record Application(string Secret, Func<(string Username, string Password), Task<bool>> RefusedAsync);

    private static bool Proven(ComplianceStack stack, Func<RotationStatus, bool> wanted) =>
        stack.Status?.Rotations?.Where(rotation => rotation.Phase != RotationPhase.Static && wanted(rotation)).ToList() is { Count: >= 3 } changing && changing.All(rotation => rotation.Phase == RotationPhase.Proven);

    private async Task<(string Username, string Password)> SuperuserAsync() =>
        (await cluster.SecretAsync($"{Stack}-postgres-internal", "superuser-username"), await cluster.SecretAsync($"{Stack}-postgres-internal", "superuser-password"));

    // As whom replicas come to their primary.
    private async Task<List<string>> ReplicasAsync((string Username, string Password) login)
    {
        var connection = await ConnectionAsync(login, "postgres");
        await using var source = Verified.Source(connection, await cluster.ExpectAsync(Stack, $"{Stack}-postgres"));
        await using var command = source.CreateCommand("SELECT usename::text FROM pg_stat_replication");
        await using var reader = await command.ExecuteReaderAsync(Token);
        var names = new List<string>();
        while (await reader.ReadAsync(Token))
            names.Add(reader.GetString(0));
        return names;
    }

    private async Task<string> ConnectionAsync((string Username, string Password) login, string database) => new NpgsqlConnectionStringBuilder
    {
        Host = await cluster.AddressAsync($"{Stack}-postgres"),
        Port = 5432,
        Username = login.Username,
        Password = login.Password,
        Database = database,
        Timeout = 3,
        CommandTimeout = 5,
        Pooling = false,
        SslMode = SslMode.VerifyFull,
    }.ConnectionString;

    // A fault of the network is not a failed login; the next try tells.
    private async Task WorkAsync(Application application, ConcurrentQueue<string> refused, ConcurrentDictionary<string, int> logins, CancellationToken over)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            while (await timer.WaitForNextTickAsync(over))
            {
                try
                {
                    var held = await HeldAsync(application.Secret);
                    if (await application.RefusedAsync(held))
                        refused.Enqueue($"{application.Secret}: {held.Username}, after {logins.GetValueOrDefault(application.Secret)} logins");
                    else
                        logins.AddOrUpdate(application.Secret, 1, (_, count) => count + 1);
                }
                catch (Exception) when (!over.IsCancellationRequested)
                {
                    // Tried again.
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task<(string Username, string Password)> HeldAsync(string secret)
    {
        var data = (await cluster.GetAsync(KubeTypes.Secrets, secret)).Data!;
        return (Text(data["username"]), Text(data["password"]));

        static string Text(string value) => Encoding.UTF8.GetString(Convert.FromBase64String(value));
    }

    private async Task<Application> PostgresAsync()
    {
        var expect = await cluster.ExpectAsync(Stack, $"{Stack}-postgres");
        return new($"{Stack}-postgres-app", async login =>
        {
            try
            {
                await using var source = Verified.Source(await ConnectionAsync(login, "app"), expect);
                await using var command = source.CreateCommand("CREATE TABLE IF NOT EXISTS turns (number int); INSERT INTO turns VALUES (1)");
                await command.ExecuteNonQueryAsync(Token);
                return false;
            }
            catch (PostgresException exception) when (exception.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InsufficientPrivilege)
            {
                return true;
            }
        });
    }

    private async Task<Application> RedisAsync()
    {
        var (address, trust) = (await cluster.AddressAsync($"{Stack}-redis"), await cluster.TrustAsync(Stack));
        return new($"{Stack}-redis-app", async login =>
        {
            try
            {
                await using var client = await RespClient.ConnectAsync(address, 6379, login.Username, login.Password, Token, tls: trust($"{Stack}-redis"));
                await client.SendAsync(Token, "SET", "turn", "1");
                return false;
            }
            catch (RespException exception) when (exception.Code is "WRONGPASS" or "NOPERM" or "NOAUTH")
            {
                return true;
            }
        });
    }

    private async Task<Application> InfluxAsync()
    {
        var (address, trust) = (await cluster.AddressAsync($"{Stack}-influxdb"), await cluster.TrustAsync(Stack));
        return new($"{Stack}-influxdb-app", async login =>
        {
            using var http = Client(address, trust($"{Stack}-influxdb"), login);
            using var content = new StringContent("turn value=1", Encoding.UTF8);
            using var answer = await http.PostAsync(new Uri("/write?db=app", UriKind.Relative), content, Token);
            if (answer.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden)
                return true;
            answer.EnsureSuccessStatusCode();
            return false;
        });
    }

    private static HttpClient Client(string address, SslClientAuthenticationOptions tls, (string Username, string Password) login)
    {
        var http = new HttpClient(new SocketsHttpHandler { SslOptions = tls }) { BaseAddress = new Uri($"https://{address}:8086"), Timeout = TimeSpan.FromSeconds(5) };
        // The server is reached by address and known by name.
        http.DefaultRequestHeaders.Host = tls.TargetHost;
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.Username}:{login.Password}")));
        return http;
    }
}
