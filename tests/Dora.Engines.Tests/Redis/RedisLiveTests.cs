using Dora.Api;
using Dora.Engines.Redis;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests.Redis;

public sealed class RedisLiveTests
{
    private static readonly EngineHealth _healthy = new(EngineVerdict.Healthy, [], "payments-redis-0", "7.0.15", "", []);

    [Fact]
    public void A_member_that_shows_another_parameter_is_named_and_told()
    {
        var health = Judge(("payments-redis-0", []), ("payments-redis-1", [("timeout", "9"), ("hz", "9")]));
        Assert.Equal((EngineVerdict.Degraded, "payments-redis-1: hz is not as asked yet"), (health.Verdict, health.Message));
        var command = Assert.Single(RedisLive.Decide(Plan(), new(Health: health)));
        Assert.Equal((RedisLive.SetParameters, "payments-redis-1"), (command.Name, command.Subject));
    }

    [Fact]
    public void A_member_that_does_not_answer_is_not_told_and_what_was_found_before_stays()
    {
        var degraded = _healthy with { Verdict = EngineVerdict.Degraded, Message = "payments-redis-1: does not answer", Needs = ["SetUser/reports"] };
        var health = RedisLive.Judge(Plan(), degraded, [("payments-redis-1", null)]);
        Assert.Equal((degraded.Message, "SetUser/reports"), (health.Message, Assert.Single(health.Needs)));
    }

    // Otherwise a roll that changes the memory would wait for ever for the members that it has not reached.
    [Fact]
    public void Another_memory_alone_does_not_count_against_health()
    {
        var health = Judge(("payments-redis-0", [("maxmemory", "1")]));
        Assert.Equal((EngineVerdict.Healthy, ""), (health.Verdict, health.Message));
        Assert.Equal(["SetMaxmemory/payments-redis-0"], health.Needs);
    }

    [Fact]
    public void Memory_is_told_only_to_a_pod_that_has_it()
    {
        var health = Judge(("payments-redis-0", [("maxmemory", "1")]));
        var workload = Workload(RedisStatefulSet.Hash(Plan()));
        var outdated = new RollingChange(["payments-redis-0"], RollingStep.Wait);
        Assert.Single(RedisLive.Decide(Plan(), new(Health: health, Workload: workload, Rolling: RollingChange.None)));
        Assert.Empty(RedisLive.Decide(Plan(), new(Health: health, Workload: workload, Rolling: outdated)));
        Assert.Empty(RedisLive.Decide(Plan(), new(Health: health, Workload: Workload("another"), Rolling: RollingChange.None)));
        Assert.Empty(RedisLive.Decide(Plan(), new(Health: health, Workload: workload with { Metadata = workload.Metadata with { Generation = 4 } }, Rolling: RollingChange.None)));
        Assert.Empty(RedisLive.Decide(Plan(), new(Health: health)));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{mode: Sentinel}")]
    [InlineData("{mode: Cluster}")]
    public void In_every_mode_it_is_one_command_and_nobody_elses(string settings)
    {
        var needs = new EngineObservation(Health: _healthy with { Needs = ["SetParameters/payments-redis-0"] });
        Assert.Equal(["SetParameters"], Engines.Bind("redis", settings).Commands(needs).Select(command => command.Name));
    }

    private static EngineHealth Judge(params (string Pod, (string Name, string Value)[] Other)[] answers) => RedisLive.Judge(Plan(), _healthy, [.. answers.Select(answer =>
    {
        var shown = RedisParameters.Wanted(Plan()).ToDictionary();
        foreach (var (name, value) in answer.Other)
            shown[name] = value;
        return (answer.Pod, (IReadOnlyDictionary<string, string>?)shown);
    })]);

    private static StatefulSet Workload(string hash) => new(
        new(Name: "payments-redis", Generation: 3),
        new("s", new(), new(new(Annotations: new Dictionary<string, string> { [Labels.ConfigHash] = hash }), new([]))),
        new(ObservedGeneration: 3));

    private static RedisPlan Plan() => RedisPlan.Of(new(Engines.Stack(), "redis"), new());
}
