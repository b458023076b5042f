using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Integration.Tests.ApiServer;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Dora.Operator.Cli;
using Xunit;

namespace Dora.Integration.Tests.Operator;

/// <summary>The operator on a real kube-apiserver, with just the rights of its generated roles.</summary>
[Collection("operator")]
public sealed class RealOperatorTests(RealServer server)
{
    private const string Spec = "{tier: Staging, engines: {postgres: {}, redis: {}}}";

    private static IReadOnlyList<PolicyRule> Rights => [.. OperatorAccess.Stacks, .. OperatorAccess.Lease];

    [Fact]
    public async Task A_stack_converges_and_a_restart_writes_nothing()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        _ = run.Start();
        await run.ApplyAsync("shop", Spec);
        var converged = await run.ConvergedAsync("shop");
        Assert.Superset(
            new HashSet<string>
            {
                "statefulsets/shop-postgres", "statefulsets/shop-redis", "services/shop-postgres", "services/shop-redis", "secrets/shop-postgres-internal", "secrets/shop-redis-app",
                "roles/shop-postgres", "rolebindings/shop-postgres", "poddisruptionbudgets/shop-redis", "configmaps/shop-redis-config",
                "networkpolicies/shop-postgres", "networkpolicies/shop-redis",
            },
            converged.Keys.ToHashSet());
        Assert.Equal("True", (string?)(await run.ConditionAsync("shop", ConditionTypes.Reconciling, "True"))["status"]);
        Assert.NotEqual("True", (string?)(await run.ConditionAsync("shop", ConditionTypes.Stalled, "False"))["status"]);

        await AssertRestartWritesNothingAsync(run, converged);
    }

    [Fact]
    public async Task All_engines_with_settings_of_pods_and_network_converge_and_a_restart_writes_nothing()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        _ = run.Start();
        await run.ApplyAsync("shop", $"{{tier: Production, pods: {DryRunTests.Pods}, network: {DryRunTests.Network}, engines: {{postgres: {{}}, redis: {{}}, mongodb: {{}}, influxdb: {{}}, neo4j: {{}}}}}}");
        var converged = await run.ConvergedAsync("shop");
        Assert.Superset(
            new HashSet<string> { "networkpolicies/shop-postgres-pooler", "deployments/shop-postgres-pooler", "networkpolicies/shop-neo4j", "networkpolicies/shop-mongodb", "networkpolicies/shop-influxdb", "networkpolicies/shop-redis" },
            converged.Keys.ToHashSet());

        await AssertRestartWritesNothingAsync(run, converged);
    }

    [Fact]
    public async Task A_policy_that_somebody_opens_is_shut_again()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        _ = run.Start();
        await run.ApplyAsync("shop", Spec);
        await run.ConvergedAsync("shop");

        var policy = run.Path(KubeTypes.NetworkPolicies.Resource, "shop-redis");
        var wanted = (await run.Api.Get(policy)).Must(200).Body["spec"]!;
        var opened = wanted.DeepClone();
        foreach (var peer in opened["ingress"]!.AsArray().SelectMany(rule => rule!["from"]!.AsArray()))
            peer!["namespaceSelector"] = new JsonObject();
        (await run.Api.Patch(policy, new JsonObject { ["spec"] = opened })).Must(200);
        await run.UntilAsync(KubeTypes.NetworkPolicies.Resource, "shop-redis", body => JsonNode.DeepEquals(body["spec"], wanted));
        await run.ConvergedAsync("shop");
    }

    [Fact]
    public async Task A_foreign_port_is_undone_and_a_deleted_object_comes_back()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        _ = run.Start();
        await run.ApplyAsync("shop", Spec);
        await run.ConvergedAsync("shop");

        var service = run.Path(KubeTypes.Services.Resource, "shop-postgres");
        var foreign = (await run.Api.Patch(service, JsonNode.Parse("""{"spec":{"ports":[{"name":"x","port":1,"protocol":"TCP"}]}}""")!)).Must(200);
        await run.UntilAsync(KubeTypes.Services.Resource, "shop-postgres", body => (string)body["metadata"]!["resourceVersion"]! != foreign.Version && body["spec"]!["ports"]!.AsArray() is [var port] && (int)port!["port"]! == 5432);

        var config = run.Path(KubeTypes.ConfigMaps.Resource, "shop-redis-config");
        var gone = (await run.Api.Get(config)).Must(200).Uid;
        (await run.Api.Delete(config)).Must(200);
        await run.UntilAsync(KubeTypes.ConfigMaps.Resource, "shop-redis-config", body => (string)body["metadata"]!["uid"]! != gone);
        await run.ConvergedAsync("shop");
    }

    [Fact]
    public async Task An_API_server_that_was_away_for_a_minute_is_found_again_and_what_changed_meanwhile_is_done()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        await using var link = await ApiServerLink.OpenAsync(run.Kubeconfig);
        var ended = run.Start(link.Kubeconfig);
        await run.ApplyAsync("shop", Spec);
        var converged = await run.ConvergedAsync("shop");

        // Longer than the lease: the operator stops leading, and stands for election again once it can.
        await link.CutAsync();
        await Task.Delay(TimeSpan.FromMinutes(1), TimeProvider.System, TestContext.Current.CancellationToken);
        await run.ApplyAsync("second", Spec);
        var foreign = (await run.Api.Patch(run.Path(KubeTypes.Services.Resource, "shop-postgres"), JsonNode.Parse("""{"spec":{"ports":[{"name":"x","port":1,"protocol":"TCP"}]}}""")!)).Must(200);
        Assert.Equal(converged.Keys, (await run.VersionsAsync()).Keys.Where(name => name != "compliancestacks/second"));
        Assert.False(ended.IsCompleted, run.Error.ToString());

        link.Mend();
        // The informers wait 30 s at most between two tries.
        var mended = TimeSpan.FromSeconds(45);
        await run.UntilAsync(KubeTypes.StatefulSets.Resource, "second-postgres", _ => true, mended);
        await run.UntilAsync(KubeTypes.Services.Resource, "shop-postgres", body => (string)body["metadata"]!["resourceVersion"]! != foreign.Version && body["spec"]!["ports"]!.AsArray() is [var port] && (int)port!["port"]! == 5432, mended);
        await run.ConvergedAsync("second");
        Assert.False(ended.IsCompleted, run.Error.ToString());
    }

    [Fact]
    public async Task On_Kubernetes_1_20_nothing_refuses_the_deletion_of_a_protected_stack_and_the_stack_says_so()
    {
        await using var run = await OperatorRun.CreateAsync(server, Rights);
        _ = run.Start();
        await run.ApplyAsync("shop", "{tier: Development, deletionProtection: true, engines: {redis: {}}}");
        var condition = await run.ConditionAsync("shop", ConditionTypes.DeletionProtected, "False");
        Assert.Equal("DeletionProtectionUnavailable", (string?)condition["reason"]);
        (await run.Api.Delete(run.Path(StackResource.Type.Resource, "shop"))).Must(200);
    }

    [Fact]
    public async Task Without_any_right_the_process_says_which_it_needs_and_ends()
    {
        await using var run = await OperatorRun.CreateAsync(server, []);
        var code = await run.Start().WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Equal(ExitCodes.Forbidden, code);
        Assert.Contains("list compliancestacks.dora-operator.io", run.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_right_is_named_and_the_rest_goes_on()
    {
        var rules = Rights.Where(rule => !rule.Resources!.Contains("poddisruptionbudgets"))
            .Concat(Rights.Where(rule => rule.Resources!.Contains("poddisruptionbudgets")).Select(rule => rule with { Resources = [.. rule.Resources!.Where(name => name != "poddisruptionbudgets")] }))
            .Where(rule => rule.Resources is { Count: > 0 }).ToList();
        await using var run = await OperatorRun.CreateAsync(server, rules);
        _ = run.Start();
        await run.ApplyAsync("shop", Spec);
        var stalled = await run.ConditionAsync("shop", ConditionTypes.Stalled, "True");
        Assert.Contains("poddisruptionbudgets.policy", (string?)stalled["message"], StringComparison.Ordinal);
        (await run.Api.Get(run.Path(KubeTypes.StatefulSets.Resource, "shop-redis"))).Must(200);
    }

    private static async Task AssertRestartWritesNothingAsync(OperatorRun run, SortedDictionary<string, string> converged)
    {
        await run.StopAsync();
        _ = run.Start();
        await run.PassesAsync(3);
        Assert.Empty(run.Applied);
        Assert.Equal(converged, await run.VersionsAsync());
    }
}
