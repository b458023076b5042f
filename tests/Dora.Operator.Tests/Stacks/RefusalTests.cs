using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;
using Dora.Testing.ApiServer;

namespace Dora.Operator.Tests.Stacks;

/// <summary>What cannot be done is said, and what runs keeps running.</summary>
[Collection("operator")]
public sealed class RefusalTests
{
    [Fact]
    public async Task Without_the_CRD_the_process_says_so_and_ends()
    {
        await using var host = await OperatorHost.StartAsync(start: false, definition: false);
        Assert.Equal(ExitCodes.NotInstalled, await host.Start());
        Assert.Contains("kubectl apply -f crds/", host.Error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_right_is_named_and_the_rest_goes_on()
    {
        await using var host = await OperatorHost.StartAsync(start: false);
        host.Server.Access.Deny(new("patch", "poddisruptionbudgets.policy"));
        _ = host.Start();
        host.Apply("shop", "{tier: Staging, engines: {redis: {}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("Forbidden", (string?)stalled["reason"]);
        Assert.Contains("patch poddisruptionbudgets.policy", (string?)stalled["message"], StringComparison.Ordinal);
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
    }

    [Fact]
    public async Task A_kind_that_cannot_be_watched_is_named_and_the_rest_goes_on()
    {
        await using var host = await OperatorHost.StartAsync(start: false);
        host.Server.Access.Deny(new("list", "rolebindings.rbac.authorization.k8s.io"));
        _ = host.Start();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Contains("rolebindings.rbac.authorization.k8s.io", (string?)stalled["message"], StringComparison.Ordinal);
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
    }

    [Fact]
    public async Task A_client_that_matches_nothing_is_said_and_nothing_is_held_up()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, network: {clients: [{podSelector: {matchLabels: {app: nobody}}}]}, engines: {redis: {}}}");
        var condition = await host.ConditionAsync("shop", ConditionTypes.NetworkSegmented, condition => ((string?)condition["message"])!.Contains("spec.network.clients[0]", StringComparison.Ordinal));
        Assert.Equal("NotProbed", (string?)condition["reason"]);
        await host.UntilAsync(() => host.Server.All(KubeTypes.Events.Resource).Any(occurrence => (string?)occurrence["reason"] == "ClientMatchesNothing"));
        Assert.Equal("False", (string?)(await host.ConditionAsync("shop", ConditionTypes.Stalled, _ => true))["status"]);
        await host.ConvergedAsync("shop");
    }

    [Fact]
    public async Task Passwords_that_cannot_be_read_are_not_made_anew()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        await host.ConvergedAsync("shop");
        var before = host.Find(KubeTypes.Secrets.Resource, "shop-redis-internal")!.ToJsonString();
        await host.StopAsync();

        host.Server.Access.Deny(new("get", "secrets"));
        _ = host.Start();
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("CredentialUnreadable", (string?)stalled["reason"]);
        Assert.Equal(before, host.Find(KubeTypes.Secrets.Resource, "shop-redis-internal")!.ToJsonString());

        host.Server.Access.AllowAll();
        host.Server.Patch(KubeTypes.Services.Resource, OperatorHost.Namespace, "shop-redis", new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["wake"] = "up" } } });
        await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "False");
    }

    [Fact]
    public async Task Lost_credentials_of_existing_data_are_not_replaced()
    {
        await using var host = await OperatorHost.StartAsync(start: false);
        Claim(host);
        _ = host.Start();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("CredentialMissing", (string?)stalled["reason"]);
        Assert.Null(host.Find(KubeTypes.Secrets.Resource, "shop-redis-internal"));
        Assert.Null(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
    }

    // As after a stack with deletionPolicy Delete was deleted and applied again at once.
    [Fact]
    public async Task Volumes_that_were_only_still_going_keep_no_stack_from_being_made()
    {
        await using var host = await OperatorHost.StartAsync(start: false);
        Claim(host);
        _ = host.Start();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["reason"] == "CredentialMissing");

        host.Server.Delete(KubeTypes.PersistentVolumeClaims.Resource, OperatorHost.Namespace, "data-shop-redis-0");
        await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "False");
        await host.ConvergedAsync("shop");
        Assert.NotNull(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
    }

    private static void Claim(OperatorHost host) =>
        host.Server.Create(KubeTypes.PersistentVolumeClaims.Resource, OperatorHost.Namespace, new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "PersistentVolumeClaim",
            ["metadata"] = new JsonObject { ["name"] = "data-shop-redis-0", ["namespace"] = OperatorHost.Namespace, ["labels"] = new JsonObject { [Labels.ManagedBy] = Labels.ManagedByValue, [Labels.Stack] = "shop", [Labels.Engine] = "redis" } },
            ["spec"] = new JsonObject { ["accessModes"] = new JsonArray("ReadWriteOnce"), ["resources"] = new JsonObject { ["requests"] = new JsonObject { ["storage"] = "1Gi" } } },
        });

    [Fact]
    public async Task An_object_of_somebody_else_is_not_taken_over()
    {
        await using var host = await OperatorHost.StartAsync(start: false);
        host.Server.Create(KubeTypes.Services.Resource, OperatorHost.Namespace, new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Service",
            ["metadata"] = new JsonObject { ["name"] = "shop-redis", ["namespace"] = OperatorHost.Namespace },
            ["spec"] = new JsonObject { ["selector"] = new JsonObject { [Labels.Stack] = "precious" }, ["ports"] = new JsonArray(new JsonObject { ["port"] = 6379, ["name"] = "mine" }) },
        });
        _ = host.Start();
        host.Apply("shop", "{tier: Development, engines: {redis: {}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("ObjectCollision", (string?)stalled["reason"]);
        Assert.Equal("precious", (string?)host.Find(KubeTypes.Services.Resource, "shop-redis")!["spec"]!["selector"]![Labels.Stack]);
    }

    [Fact]
    public async Task A_wrong_engine_stops_neither_the_other_engine_nor_what_runs()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, engines: {postgres: {}, redis: {mode: Sentinel, instances: 2}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Contains("spec.engines.redis.instances", (string?)stalled["message"], StringComparison.Ordinal);
        await host.UntilAsync(() => host.Find(KubeTypes.StatefulSets.Resource, "shop-postgres") is not null);
        Assert.Null(host.Find(KubeTypes.StatefulSets.Resource, "shop-redis"));
    }

    [Fact]
    public async Task A_volume_that_the_API_server_refuses_to_grow_is_said_and_not_asked_for_at_each_pass()
    {
        await using var host = await OperatorHost.StartAsync();
        await using var workloads = new WorkloadSimulator(host.Server);
        host.Apply("shop", "{tier: Development, engines: {redis: {storage: {size: 1Gi}}}}");
        await host.UntilAsync(() => host.Find(KubeTypes.PersistentVolumeClaims.Resource, "data-shop-redis-0")?["status"]?["capacity"] is not null);
        await host.ConvergedAsync("shop");
        host.Server.Faults.Add(new("patch", "persistentvolumeclaims"), new Fault.Respond(403, Reason: "Forbidden", Message: "persistentvolumeclaims \"data-shop-redis-0\" is forbidden: exceeded quota: small"));
        host.PatchSpec("shop", "{engines: {redis: {storage: {size: 2Gi}}}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal(VolumeProblem.Refused, (string?)stalled["reason"]);
        Assert.Contains("data-shop-redis-0: the API server refuses to grow it (exceeded quota: small)", (string?)stalled["message"], StringComparison.Ordinal);
        for (var i = 0; i < 3; i++)
        {
            host.Server.Patch(KubeTypes.Services.Resource, OperatorHost.Namespace, "shop-redis", new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["wake"] = $"{i}" } } });
            await host.PassesAsync(1);
        }

        Assert.Equal(1, host.Server.Requests.Count("patch", "persistentvolumeclaims"));
    }

    [Fact]
    public async Task What_runs_keeps_running_when_a_newer_stack_version_is_asked_for_than_the_operator_knows()
    {
        await using var host = await OperatorHost.StartAsync();
        host.Apply("shop", "{tier: Development, engines: {postgres: {}, redis: {}}}");
        await host.ConvergedAsync("shop");
        var before = Versions(host);
        host.PatchSpec("shop", "{stackVersion: '2099.01', engines: {redis: null}}");
        var stalled = await host.ConditionAsync("shop", ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("UnknownStackVersion", (string?)stalled["reason"]);
        Assert.Contains($"choose one of {string.Join(", ", StackVersions.All)}, or upgrade the operator", (string?)stalled["message"], StringComparison.Ordinal);
        await host.PassesAsync(2);
        Assert.Equal(before, Versions(host));
    }

    private static IEnumerable<string> Versions(OperatorHost host) =>
        from kind in new[] { KubeTypes.StatefulSets.Resource, KubeTypes.ConfigMaps.Resource, KubeTypes.Services.Resource }
        from item in host.Server.All(kind)
        select $"{kind.Plural}/{item["metadata"]!["name"]} {item["metadata"]!["resourceVersion"]}";

    [Fact]
    public async Task A_name_too_long_names_the_limit()
    {
        await using var host = await OperatorHost.StartAsync();
        var name = new string('a', 41);
        host.Apply(name, "{tier: Development, engines: {redis: {}}}");
        var stalled = await host.ConditionAsync(name, ConditionTypes.Stalled, condition => (string?)condition["status"] == "True");
        Assert.Equal("NameTooLong", (string?)stalled["reason"]);
        Assert.Contains("at most 40", (string?)stalled["message"], StringComparison.Ordinal);
        Assert.Empty(host.Server.All(KubeTypes.StatefulSets.Resource));
    }
}
