using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer;

namespace Dora.Operator.Tests.Stacks;

[Collection("operator")]
public sealed class ConvergenceTests
{
    private const string Spec = "{tier: Development, engines: {postgres: {instances: 3}, redis: {mode: Sentinel, instances: 3}}}";

    [Fact]
    public async Task A_stack_becomes_all_its_objects_with_at_most_objects_plus_3_requests()
    {
        await using var host = await OperatorHost.StartAsync();
        await host.Server.Requests.WaitForAsync(request => request is { Verb: "watch", Resource: "pods" }, TestContext.Current.CancellationToken);
        host.Server.Requests.Clear();
        host.Apply("shop", Spec);
        await host.ConvergedAsync("shop");

        var objects = host.Server.All(KubeTypes.StatefulSets.Resource).Count + host.Server.All(KubeTypes.Services.Resource).Count + host.Server.All(KubeTypes.ConfigMaps.Resource).Count
            + host.Server.All(KubeTypes.ServiceAccounts.Resource).Count + host.Server.All(KubeTypes.Roles.Resource).Count + host.Server.All(KubeTypes.RoleBindings.Resource).Count + host.Server.All(KubeTypes.Secrets.Resource).Count
            + host.Server.All(KubeTypes.NetworkPolicies.Resource).Count;
        Assert.Equal(30, objects);
        var requests = host.Server.Requests.All.Where(request => request.Verb is not ("watch" or "list")).ToList();
        Assert.True(requests.Count <= objects + 3, string.Join("\n", requests));
    }

    [Fact]
    public async Task A_converged_stack_costs_no_writes_whatever_else_changes_and_after_a_restart()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", Spec);
        await host.ConvergedAsync("shop");
        host.Server.Requests.Clear();

        for (var i = 0; i < 3; i++)
        {
            host.Server.Patch(KubeTypes.Services.Resource, OperatorHost.Namespace, "shop-redis", Annotation($"{i}"));
            await host.PassesAsync(1);
        }

        await host.StopAsync();
        _ = host.Start();
        await host.PassesAsync(3);
        Assert.Empty(host.Writes());
    }

    [Fact]
    public async Task What_somebody_else_changed_or_removed_comes_back()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", Spec);
        await host.ConvergedAsync("shop");

        host.Server.Patch(KubeTypes.Services.Resource, OperatorHost.Namespace, "shop-postgres", JsonNode.Parse("""{"spec":{"ports":[{"name":"x","port":1,"protocol":"TCP"}]}}""")!.AsObject());
        await host.UntilAsync(() => host.Find(KubeTypes.Services.Resource, "shop-postgres")!["spec"]!["ports"]!.AsArray() is [var port] && (int?)port!["port"] == 5432);
        host.Server.Delete(KubeTypes.ConfigMaps.Resource, OperatorHost.Namespace, "shop-redis-config");
        await host.UntilAsync(() => host.Find(KubeTypes.ConfigMaps.Resource, "shop-redis-config") is not null);
    }

    [Fact]
    public async Task An_engine_that_is_not_wanted_any_more_goes_and_its_data_and_credentials_stay()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", Spec);
        await host.UntilAsync(() => host.Server.All(KubeTypes.PersistentVolumeClaims.Resource).Count == 6);
        host.PatchSpec("shop", "{engines: {redis: null}}");
        await host.UntilAsync(() => host.Find(KubeTypes.StatefulSets.Resource, "shop-redis") is null && host.Find(KubeTypes.Services.Resource, "shop-redis") is null);
        await host.ConvergedAsync("shop");
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-postgres"));
        Assert.NotNull(host.Find(KubeTypes.Secrets.Resource, "shop-redis-internal"));
        Assert.Equal(6, host.Server.All(KubeTypes.PersistentVolumeClaims.Resource).Count);
    }

    [Fact]
    public async Task NetworkPolicies_go_when_they_are_disabled_and_come_back()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        await host.UntilAsync(() => host.Find(KubeTypes.NetworkPolicies.Resource, "shop-redis") is not null);
        await host.ConvergedAsync("shop");
        host.PatchSpec("shop", "{network: {policies: Disabled}}");
        await host.UntilAsync(() => host.Find(KubeTypes.NetworkPolicies.Resource, "shop-redis") is null);
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
        host.PatchSpec("shop", "{network: {policies: Enabled, clients: []}}");
        await host.UntilAsync(() => host.Find(KubeTypes.NetworkPolicies.Resource, "shop-redis")?["spec"]!["ingress"] is JsonArray { Count: 1 });
        await host.ConvergedAsync("shop");
    }

    [Fact]
    public async Task A_paused_stack_is_observed_and_not_touched()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, paused: true, engines: {redis: {}}}");
        var condition = await host.ConditionAsync("shop", ConditionTypes.Reconciling, condition => (string?)condition["reason"] == "Paused");
        Assert.Equal("False", (string?)condition["status"]);
        await host.PassesAsync(1);
        Assert.All(host.Writes(), write => Assert.Equal("status", write.Subresource));
    }

    [Fact]
    public async Task Pod_templates_change_with_the_stack_version_and_with_nothing_else_of_an_upgrade()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, stackVersion: '2026.11', engines: {redis: {}}}");
        await host.ConvergedAsync("shop");
        JsonNode Template() => host.Find(KubeTypes.StatefulSets.Resource, "shop-redis")!["spec"]!["template"]!;
        Assert.Null(Template()["metadata"]!["labels"]![Labels.Version]);
        host.PatchSpec("shop", "{stackVersion: '2026.12'}");
        await host.UntilAsync(() => (string?)Template()["metadata"]!["labels"]![Labels.Version] == "7.0");
    }

    [Fact]
    public async Task The_operator_recovers_alone_when_the_API_server_was_away()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        await host.ConvergedAsync("shop");
        await host.Server.PauseAsync(TestContext.Current.CancellationToken);
        await host.PassesAsync(1);
        await host.Server.ResumeAsync(TestContext.Current.CancellationToken);
        host.Apply("later", "{tier: Development, engines: {redis: {}}}");
        await host.UntilAsync(() => host.Find(KubeTypes.StatefulSets.Resource, "later-redis") is not null);
    }

    [Fact]
    public async Task On_a_server_before_policy_v1_budgets_are_written_as_v1beta1()
    {
        await using var host = await OperatorHost.StartAsync(options: new(NamespacesExistByThemselves: true, Without: ["policy/v1/poddisruptionbudgets"]));
        host.Apply("shop", "{tier: Staging, engines: {redis: {}}}");
        await host.UntilAsync(() => host.Find(KubeTypes.PodDisruptionBudgetsBeta.Resource, "shop-redis") is not null);
    }

    private static JsonObject Annotation(string value) => new() { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["somebody/else"] = value } } };
}
