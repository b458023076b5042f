using System.Text.Json;
using Dora.Api;
using Dora.Engines.Neo4j;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Testing.Neo4j;

namespace Dora.Engines.Tests.Neo4j;

/// <summary>Neo4j of small stacks, on scripted servers where one is asked.</summary>
internal static class Neo4jStacks
{
    public const string AdminPassword = "admin-Password1";

    public static Neo4jSettings Settings(string yaml)
    {
        using var json = JsonDocument.Parse(KubeYaml.Read(yaml)!.ToJsonString());
        return json.RootElement.Deserialize(Neo4jJson.Wire.Neo4jSettings)!;
    }

    public static Neo4jPlan Plan(string yaml, Tier tier = Tier.Production) => Neo4jPlan.Of(new EngineNames(Engines.Stack(tier), "neo4j"), Settings(yaml));

    public static Neo4jCluster Cluster(string yaml, Neo4jServers servers, Tier tier = Tier.Production) => new(Engines.Stack(tier), Settings(yaml), QueryTransport.PlainOn(servers.Port));

    /// <summary>Pods on the addresses of scripted servers, and the Secrets of a cluster with a password per user.</summary>
    public static EngineTarget Target(IEngineCluster cluster, int members, string adminPassword = AdminPassword, string initialPassword = "first-Password1")
    {
        var secrets = cluster.Credentials().ToDictionary(
            request => request.SecretName,
            request => (IReadOnlyDictionary<string, string>)request.Fields.ToDictionary(field => field.Key, field => field.Value ?? $"secret-of-{request.SecretName}", StringComparer.Ordinal),
            StringComparer.Ordinal);
        secrets["payments-neo4j-internal"] = new Dictionary<string, string> { ["admin-password"] = adminPassword, ["initial-password"] = initialPassword };
        return new([.. Enumerable.Range(0, members).Select(ordinal => new MemberPod($"payments-neo4j-{ordinal}", ordinal, Neo4jServers.Address(ordinal), true, null))], secrets);
    }

    /// <summary>Probe and commands in turn, as passes of the operator, until nothing is needed.</summary>
    public static async Task<(EngineHealth Health, IReadOnlyList<EngineCommand> Said)> SettleAsync(IEngineCluster cluster, EngineTarget target, int passes = 12)
    {
        var said = new List<EngineCommand>();
        EngineHealth? health = null;
        for (var pass = 0; pass < passes; pass++)
        {
            health = await cluster.ProbeAsync(target, TestContext.Current.CancellationToken);
            var commands = cluster.Commands(new(Health: health));
            if (commands.Count == 0 && health.Verdict == EngineVerdict.Healthy)
                break;
            foreach (var command in commands)
                await cluster.ExecuteAsync(command, target, TestContext.Current.CancellationToken);
            said.AddRange(commands);
        }

        return (health!, said);
    }
}
