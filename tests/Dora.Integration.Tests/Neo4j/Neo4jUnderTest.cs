using System.Text.Json;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Neo4j;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing.Neo4j;
using Xunit;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>
/// One Neo4j: the real one of <c>DORA_TEST_NEO4J</c> (<c>http://neo4j:password@host:7474</c>, a server to throw away; its password
/// already changed), else a scripted one.
/// </summary>
public sealed class Neo4jUnderTest : IAsyncLifetime
{
    public const string AppPassword = "app-Password1";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private Neo4jServers? scripted;

    internal QueryTransport Transport { get; private set; } = null!;

    internal QueryEndpoint Endpoint { get; private set; }

    internal string Password { get; private set; } = "admin-Password1";

    internal ServerIdentity Identity { get; private set; } = null!;

    internal bool Enterprise => Identity.Edition == "enterprise";

    internal QueryClient Admin => Client(Neo4jPlan.AdminUser, Password);

    public async ValueTask InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("DORA_TEST_NEO4J") is { Length: > 0 } address)
        {
            var real = new Uri(address);
            Transport = QueryTransport.PlainOn(real.Port);
            Endpoint = new(real.Host);
            Password = Uri.UnescapeDataString(real.UserInfo.Split(':', 2)[1]);
        }
        else
        {
            scripted = await Neo4jServers.StartAsync(new(Founders: 1));
            Transport = QueryTransport.PlainOn(scripted.Port);
            Endpoint = new(Neo4jServers.Address(0));
            var first = scripted.State.Options.InitialPassword;
            await Client(Neo4jPlan.AdminUser, first).RunAsync(Endpoint, Neo4jPlan.SystemDatabase, Cypher.SetOwnPassword(first, Password), [], CancellationToken.None);
        }

        Identity = await Admin.IdentifyAsync(Endpoint, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        if (scripted is not null)
            await scripted.DisposeAsync();
    }

    internal QueryClient Client(string user, string password) => new(Transport, user, password, Patience);

    internal Task<QueryResult> RunAsync(string database, Query query, params string[] bookmarks) => Admin.RunAsync(Endpoint, database, query, bookmarks, TestContext.Current.CancellationToken);

    /// <summary>The engine on this server, with settings that its edition can have.</summary>
    internal (IEngineCluster Cluster, EngineTarget Target) Engine(string community, string enterprise)
    {
        var yaml = Enterprise ? $"{{edition: Enterprise, license: Evaluation, {enterprise}}}" : $"{{{community}}}";
        using var json = JsonDocument.Parse(KubeYaml.Read(yaml)!.ToJsonString());
        var stack = new StackContext("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new());
        var cluster = new Neo4jCluster(stack, json.RootElement.Deserialize(Neo4jJson.Wire.Neo4jSettings)!, Transport);
        var secrets = cluster.Credentials().ToDictionary(
            request => request.SecretName,
            request => (IReadOnlyDictionary<string, string>)request.Fields.ToDictionary(field => field.Key, field => field.Value ?? AppPassword, StringComparer.Ordinal),
            StringComparer.Ordinal);
        var names = new EngineNames(stack, "neo4j");
        secrets[names.InternalSecret] = new Dictionary<string, string> { ["admin-password"] = Password, ["initial-password"] = "never-Used1" };
        return (cluster, new([new(names.Pod(0), 0, Endpoint.Address, true, null)], secrets));
    }
}
