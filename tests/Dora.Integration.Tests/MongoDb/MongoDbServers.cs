using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Engines.Rendering;
using Dora.Testing.MongoDb;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>
/// A replica set to test against: the real one whose members stand in <c>DORA_TEST_MONGODB</c>
/// (<c>mongodb://admin:password@host:port,…</c>, all on one port, a user with role root), else a scripted one.
/// </summary>
public sealed class MongoDbServers : IAsyncLifetime
{
    public const string ScriptedPassword = "admin-Jx3k9Qw7Lm2p";

    /// <summary>A database that only these tests use.</summary>
    public const string Database = "dora_operator_test";

    private readonly ScriptedReplicaSet? _scripted;

    public MongoDbServers()
    {
        var address = Environment.GetEnvironmentVariable("DORA_TEST_MONGODB");
        if (string.IsNullOrEmpty(address))
        {
            _scripted = new();
            var server = _scripted.AddServer(Plan.Host("payments-mongodb-0"));
            _scripted.Initiate(MongoDbPlan.AdminUser, ScriptedPassword, server);
            (Hosts, Port, User, Password) = ([server.Address.ToString()], ScriptedReplicaSet.Port, MongoDbPlan.AdminUser, ScriptedPassword);
            return;
        }

        // System.Uri knows no list of hosts.
        var at = address.LastIndexOf('@');
        var credentials = address["mongodb://".Length..at].Split(':', 2);
        var hosts = address[(at + 1)..].Split('/')[0].Split(',').Select(host => host.Split(':')).ToList();
        (User, Password) = (Uri.UnescapeDataString(credentials[0]), Uri.UnescapeDataString(credentials[1]));
        Hosts = [.. hosts.Select(host => host[0])];
        Port = hosts[0].Length > 1 ? int.Parse(hosts[0][1], CultureInfo.InvariantCulture) : MongoDbPlan.DefaultPort;
    }

    public IReadOnlyList<string> Hosts { get; }

    public int Port { get; }

    public string User { get; }

    public string Password { get; }

    internal static MongoDbPlan Plan { get; } = Of(new());

    internal MongoEndpoint Endpoint => new(Hosts[0], Port);

    public EngineTarget Target => new(
        [.. Hosts.Select((host, ordinal) => new MemberPod($"payments-mongodb-{ordinal}", ordinal, host, true, null))],
        new Dictionary<string, IReadOnlyDictionary<string, string>>
        {
            [Plan.Names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = Password, ["monitor-password"] = "monitor-Vb6t1Zr8Yh4s", ["backup-password"] = "backup-Nf5d0Gc2Xa9u" },
            [Plan.Names.AppSecret] = new Dictionary<string, string> { ["password"] = "app-Tk7w4Me1Ro6i" },
            [Plan.UserSecret("dora-test")] = new Dictionary<string, string> { ["password"] = "test-Hq2x8Lc5Wd7e" },
        })
    {
        NewPassword = () => "nobodys-Yp4n6Fj1Sx0z",
    };

    /// <summary>The plan of a stack whose servers these are.</summary>
    internal static MongoDbPlan Of(MongoDbSettings settings) => MongoDbPlan.Of(
        new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "mongodb"), settings);

    internal MongoDbPlan Here(MongoDbSettings settings) => Of(settings) with { Port = Port };

    internal async Task<MongoClient> ConnectAsync()
    {
        var client = await MongoClient.ConnectAsync(Endpoint, TestContext.Current.CancellationToken);
        await client.AuthenticateAsync(User, Password, TestContext.Current.CancellationToken);
        return client;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (_scripted is not null)
            await _scripted.DisposeAsync();
    }
}
