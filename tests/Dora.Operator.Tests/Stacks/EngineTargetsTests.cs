using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

/// <summary>What is read from the pods of an engine.</summary>
public sealed class EngineTargetsTests
{
    [Fact]
    public void A_pod_speaks_TLS_when_it_mounts_the_certificate_of_its_engine()
    {
        var observed = new RunningStack("{tier: Development, engines: {postgres: {}, redis: {}}}").Observation with
        {
            Pods =
            [
                Pod("shop-postgres-0", "postgres", new Volume("tls", Secret: new("shop-postgres-tls"))),
                Pod("shop-postgres-1", "postgres", new Volume("auth", Secret: new("shop-postgres-pooler-tls"))),
                Pod("shop-postgres-2", "postgres"),
                Pod("shop-redis-0", "redis", new Volume("tls", Secret: new("shop-redis-tls"))),
            ],
        };
        Assert.Equal([true, false, false], EngineTargets.Members("postgres", observed).Select(member => member.Encrypted));
        Assert.True(Assert.Single(EngineTargets.Members("redis", observed)).Encrypted);
        Assert.Equal([true, false, false], StackPlanner.Plan(observed).Engines[0].Observed.Members!.Select(member => member.Encrypted));
    }

    [Fact]
    public void Clients_come_through_the_ready_pods_of_the_pooler_which_are_no_members()
    {
        var observed = new RunningStack("{tier: Development, engines: {postgres: {pooler: {instances: 2}}}}").Observation with
        {
            Pods =
            [
                Pod("shop-postgres-0", "postgres"),
                Ready(Pod("shop-postgres-pooler-7c-a", "postgres-pooler", new Volume("tls", Secret: new("shop-postgres-pooler-tls")))),
                Pod("shop-postgres-pooler-7c-b", "postgres-pooler"),
            ],
        };
        var target = EngineTargets.Of(StackPlanner.Plan(observed).Engines[0], observed);
        Assert.Equal(["shop-postgres-0"], target.Members.Select(member => member.Name));
        Assert.Equal(("shop-postgres-pooler-7c-a", true), (Assert.Single(target.Doors!).Name, target.Doors![0].Encrypted));
        var without = new RunningStack("{tier: Development, engines: {postgres: {}}}").Observation;
        Assert.Null(EngineTargets.Of(StackPlanner.Plan(without).Engines[0], without).Doors);

        static Pod Ready(Pod pod) => pod with { Status = new(Conditions: [new("Ready", "True")]) };
    }

    private static Pod Pod(string name, string engine, params Volume[] volumes) =>
        new(new(name, Labels: new Dictionary<string, string> { [Labels.Engine] = engine }), new([], Volumes: volumes));
}
