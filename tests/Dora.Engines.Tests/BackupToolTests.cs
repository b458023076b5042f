using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests;

/// <summary>What every engine promises of its backups.</summary>
public sealed partial class BackupToolTests
{
    private static readonly BackupSettings Settings = new(new("https://s3.example", "backups", "store"), new("keys"));

    public static TheoryData<string, string> Clusters { get; } = new(
        ("postgres", "{}"), ("redis", "{}"), ("redis", "mode: Sentinel"), ("mongodb", "{}"), ("influxdb", "version: '1.6'"), ("influxdb", "version: '2.7'"));

    public static TheoryData<string, string> Without { get; } = new(("redis", "mode: Cluster"), ("neo4j", "{}"), ("neo4j", "{edition: Enterprise, license: Evaluation, instances: 3}"));

    [Theory, MemberData(nameof(Without))]
    public void Who_cannot_be_backed_up_says_why(string engine, string settings)
    {
        var cluster = Bind(engine, settings);
        Assert.Empty(cluster.Backups);
        Assert.False(string.IsNullOrEmpty(cluster.BackupProblem));
    }

    [Theory, MemberData(nameof(Clusters))]
    public void A_tool_holds_all_files_that_its_scripts_name_and_no_secret(string engine, string settings)
    {
        var cluster = Bind(engine, settings);
        Assert.Null(cluster.BackupProblem);
        foreach (var tool in cluster.Backups)
        {
            foreach (var container in Containers(tool))
            {
                Assert.All(container.Files.Values.SelectMany(text => Named().Matches(text)).Select(match => match.Value).Append(container.Script), name => Assert.Contains(name, container.Files.Keys));
                foreach (var variable in container.Environment.Where(variable => variable.Name.EndsWith("PASSWORD", StringComparison.Ordinal) || variable.Name.EndsWith("TOKEN", StringComparison.Ordinal)))
                    Assert.NotNull(variable.ValueFrom?.SecretKeyRef);
                Assert.All(container.Mounts, mount => Assert.Contains(mount.Name, container.Volumes.Select(volume => volume.Name)));
            }
        }
    }

    [Theory, MemberData(nameof(Clusters))]
    public void Servers_let_the_pods_of_copies_in_where_the_tool_knocks_and_nowhere_else(string engine, string settings)
    {
        var cluster = Bind(engine, settings);
        var wanted = cluster.Backups.SelectMany(tool => tool.Ports).Distinct().Order();

        Assert.Equal(wanted, PortsFor(cluster, BackupPods.Selector("payments")));
        Assert.DoesNotContain(cluster.Backups.SelectMany(tool => tool.Ports), port => cluster.Guarded.Contains(port));
        Assert.Empty(PortsFor(Bind(engine, settings, backup: null), BackupPods.Selector("payments")));
    }

    [Theory]
    [InlineData("mongodb", "{}")]
    [InlineData("influxdb", "version: '1.6'")]
    [InlineData("influxdb", "version: '2.7'")]
    public void A_copy_believes_the_stacks_authority_and_sees_no_key(string engine, string settings)
    {
        var copy = Bind(engine, settings).Backups[0].Copy(new($"payments-{engine}-0", BackupType.Full));

        Assert.Equal(["ca.crt"], Assert.Single(copy.Volumes).Secret!.Items!.Select(item => item.Key));
        Assert.Contains(copy.Environment, variable => variable.Value == "/tls/ca.crt");
        Assert.Empty(Bind(engine, settings, stack => stack with { Tls = null }).Backups[0].Copy(new("a", BackupType.Full)).Volumes);
    }

    [Theory]
    [InlineData("mongodb", "{}")]
    [InlineData("influxdb", "version: '1.6'")]
    [InlineData("influxdb", "version: '2.7'")]
    public void What_lays_down_runs_a_server_and_has_the_memory_of_one(string engine, string settings)
    {
        var cluster = Bind(engine, settings);
        var server = Engines.Pods(cluster.Render(EngineObservation.None)).First().Containers[0];

        Assert.Equal(server.Resources!.Limits!["memory"], cluster.Backups[0].LayDown(new(true, new Dictionary<string, string>())).Resources!.Limits!["memory"]);
    }

    [GeneratedRegex("(?<=\\$here/|\\$\\(dirname \"\\$0\"\\)/)[a-z0-9-]+[.][a-z]+", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Named();

    private static IEnumerable<ToolContainer> Containers(BackupTool tool) =>
        [tool.Copy(new("host", tool.Types[0])), tool.LayDown(new(true, new Dictionary<string, string>(), Checks: [new("a", "b", "c", "d")]))];

    private static IEnumerable<int> PortsFor(IEngineCluster cluster, IReadOnlyDictionary<string, string> pods) => cluster.Render(EngineObservation.None)
        .Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource)
        .SelectMany(manifest => manifest.Body["spec"]!["ingress"]!.AsArray())
        .Where(rule => rule!["from"]!.AsArray().Any(peer => pods.All(label => (string?)peer!["podSelector"]?["matchLabels"]?[label.Key] == label.Value)))
        .SelectMany(rule => rule!["ports"]!.AsArray().Select(port => (int)port!["port"]!))
        .Distinct()
        .Order();

    private static IEngineCluster Bind(string engine, string settings, Func<StackContext, StackContext>? change = null) => Bind(engine, settings, Settings, change);

    private static IEngineCluster Bind(string engine, string settings, BackupSettings? backup, Func<StackContext, StackContext>? change = null)
    {
        var stack = Engines.Stack() with { Backup = backup };
        return Engines.Bind(engine, settings, change?.Invoke(stack) ?? stack);
    }
}
