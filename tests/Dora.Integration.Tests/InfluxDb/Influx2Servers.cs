using System.Globalization;
using System.Net;
using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.InfluxDb;
using Dora.Engines.InfluxDb.V2;
using Dora.Engines.Rendering;
using Dora.Testing.InfluxDb;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>
/// Two InfluxDB 2.x servers: the real ones that <c>DORA_TEST_INFLUXDB2</c> names as <c>address:port,address:port</c> (the port is
/// the same; not set up yet, or set up by an earlier run), else scripted ones on addresses of their own.
/// </summary>
public sealed class Influx2Servers : IAsyncDisposable
{
    public const string AdminPassword = "admin-Jx3k9Qw7Lm2p";
    public const string AdminToken = "admin-token-Wq8n5Rb2Ty7u";

    private static int _groups;

    private readonly string[] addresses;
    private readonly int port = InfluxDbPlan.HttpPort;
    private readonly InfluxDb2Server?[] scripted = new InfluxDb2Server?[2];
    private readonly HttpClient http = new();

    private Influx2Servers(InfluxDbSettings settings, bool scriptedOnly)
    {
        var group = Interlocked.Increment(ref _groups);
        if (!scriptedOnly && System.Environment.GetEnvironmentVariable("DORA_TEST_INFLUXDB2") is { Length: > 0 } real)
        {
            Real = true;
            var parts = real.Split(',').Select(server => server.Split(':')).ToArray();
            addresses = [.. parts.Select(part => part[0])];
            port = int.Parse(parts[0][1], CultureInfo.InvariantCulture);
        }
        else
        {
            addresses = [.. Enumerable.Range(0, 2).Select(ordinal => string.Create(CultureInfo.InvariantCulture, $"127.{1 + (System.Environment.ProcessId % 250)}.{87 + ordinal}.{group}"))];
        }

        Plan = Bind(settings);
        pods = Plan.Instances;
    }

    public bool Real { get; }

    internal InfluxDbPlan Plan { get; private set; }

    // A pod outlives the wish for it.
    private readonly int pods;

    /// <summary>The Secrets, as the operator reads them; commands put issued tokens there.</summary>
    public Dictionary<string, Dictionary<string, string>> Secrets { get; } = new(StringComparer.Ordinal);

    internal EngineTarget Target => new(
        [.. Enumerable.Range(0, pods).Select(ordinal => new MemberPod(Plan.Names.Pod(ordinal), ordinal, addresses[ordinal], true, null))],
        Secrets.ToDictionary(pair => pair.Key, pair => (IReadOnlyDictionary<string, string>)pair.Value),
        (secret, key, value, _) =>
        {
            Secrets.TryAdd(secret, []);
            Secrets[secret][key] = value;
            return Task.CompletedTask;
        });

    /// <summary>Starts two servers and sets them up as their pods do.</summary>
    internal static async Task<Influx2Servers> StartAsync(InfluxDbSettings settings, bool setUp = true, bool scriptedOnly = false)
    {
        var servers = new Influx2Servers(settings, scriptedOnly);
        servers.Secrets[servers.Plan.Names.InternalSecret] = new() { ["admin-password"] = AdminPassword, ["admin-token"] = AdminToken, ["admin-username"] = "admin" };
        for (var ordinal = 0; ordinal < 2; ordinal++)
        {
            await servers.StartAsync(ordinal, new(0x0a00_0000_0000_0000 + (ordinal * 0x0100_0000_0000_0000)));
            if (setUp)
                await servers.SetUpAsync(ordinal);
        }

        return servers;
    }

    /// <summary>Starts a scripted server on a store; a real one runs already.</summary>
    public async Task StartAsync(int ordinal, InfluxDb2Store store)
    {
        if (!Real)
            scripted[ordinal] = await InfluxDb2Server.StartAsync(addresses[ordinal], port, store);
    }

    /// <summary>Ends a scripted server; answers what it held.</summary>
    public async Task<InfluxDb2Store> StopAsync(int ordinal)
    {
        var server = scripted[ordinal] ?? throw new InvalidOperationException("real servers are not stopped");
        await server.DisposeAsync();
        scripted[ordinal] = null;
        return server.Store;
    }

    /// <summary>What a scripted server holds.</summary>
    public InfluxDb2Store Store(int ordinal) => scripted[ordinal]!.Store;

    /// <summary>Requests that a scripted server got.</summary>
    public IReadOnlyList<string> Log(int ordinal) => [.. scripted[ordinal]!.Log];

    public string Address(int ordinal) => addresses[ordinal];

    /// <summary>The call that the pod's init container makes; refused on a server that is set up.</summary>
    public Task<HttpStatusCode> SetUpAsync(int ordinal) => StatusAsync(HttpMethod.Post, ordinal, "api/v2/setup", null,
        $$"""{"username":"admin","password":"{{AdminPassword}}","org":"dora","bucket":"app","retentionPeriodSeconds":0,"token":"{{AdminToken}}"}""");

    /// <summary>The status of any call with any token.</summary>
    public async Task<HttpStatusCode> StatusAsync(HttpMethod method, int ordinal, string target, string? token, string? body = null, string media = "application/json") =>
        (await SendAsync(method, ordinal, target, token, body, media)).Status;

    /// <summary>Any call with any token.</summary>
    public async Task<(HttpStatusCode Status, string Body)> SendAsync(HttpMethod method, int ordinal, string target, string? token, string? body = null, string media = "application/json")
    {
        using var request = new HttpRequestMessage(method, new Uri(string.Create(CultureInfo.InvariantCulture, $"http://{addresses[ordinal]}:{port}/{target}")));
        if (body is not null)
            request.Content = new StringContent(body, Encoding.UTF8, media);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", $"Token {token}");
        using var response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        return (response.StatusCode, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>What one server holds, as the operator reads it.</summary>
    internal async Task<V2State> StateAsync(int ordinal) =>
        await V2State.ReadAsync(V2Probe.Admin(Plan, Target, Target.Members[ordinal]), Plan.Organization, TestContext.Current.CancellationToken);

    /// <summary>Other wishes for the same servers.</summary>
    internal void Declare(InfluxDbSettings settings) => Plan = Bind(settings);

    public Task<EngineHealth> ProbeAsync() => V2Probe.RunAsync(Plan, Target, TestContext.Current.CancellationToken);

    /// <summary>Says what a probe found missing; what cannot be said yet comes with the next.</summary>
    public async Task ExecuteAsync(EngineHealth health)
    {
        foreach (var command in InfluxDbNeeds.Commands(new(Health: health)))
        {
            try
            {
                await V2Commands.ExecuteAsync(Plan, command, Target, TestContext.Current.CancellationToken);
            }
            catch (InfluxException exception) when (exception.Fault is InfluxFault.NotFound)
            {
                // A stream needs the connection that another command of this pass makes.
            }
        }
    }

    /// <summary>Probes and says what is missing until nothing is.</summary>
    public async Task<EngineHealth> ConvergeAsync()
    {
        for (var pass = 0; pass < 6; pass++)
        {
            var health = await ProbeAsync();
            if (health.Needs.Count == 0)
                return health;
            await ExecuteAsync(health);
        }

        return await ProbeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in scripted)
        {
            if (server is not null)
                await server.DisposeAsync();
        }

        http.Dispose();
    }

    private InfluxDbPlan Bind(InfluxDbSettings settings)
    {
        var names = new EngineNames(new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "influxdb");
        var plan = InfluxDbPlan.Of(names, settings with { Version = InfluxDbVersion.V27, Instances = settings.Instances ?? 2 });
        return plan with { Port = port, ReplicaUrl = string.Create(CultureInfo.InvariantCulture, $"http://{addresses[^1]}:{port}") };
    }
}
