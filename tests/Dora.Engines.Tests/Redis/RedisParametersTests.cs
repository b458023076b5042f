using System.Text.Json;
using Dora.Api;
using Dora.Engines.Redis;

namespace Dora.Engines.Tests.Redis;

public sealed class RedisParametersTests
{
    [Theory]
    [InlineData("appendonly", "no", "lose what was acknowledged")]
    [InlineData("appendfsync", "no", "lose what was acknowledged")]
    [InlineData("save", "", "when data is saved")]
    [InlineData("maxmemory", "1gb", "follows from the memory")]
    [InlineData("maxmemory-policy", "allkeys-lru", "field of its own")]
    [InlineData("activedefrag", "yes", "allocator")]
    [InlineData("replicaof", "elsewhere 6379", "replication belongs")]
    [InlineData("replica-read-only", "no", "replication belongs")]
    [InlineData("slaveof", "elsewhere 6379", "replication belongs")]
    [InlineData("min-replicas-to-write", "0", "replication belongs")]
    [InlineData("masterauth", "x", "replication belongs")]
    [InlineData("requirepass", "x", "users and passwords")]
    [InlineData("aclfile", "/tmp/x", "users and passwords")]
    [InlineData("user", "evil on nopass", "users and passwords")]
    [InlineData("protected-mode", "no", "users and passwords")]
    [InlineData("rename-command", "FLUSHALL x", "own commands")]
    [InlineData("loadmodule", "/tmp/x.so", "modules")]
    [InlineData("include", "/tmp/x", "files")]
    [InlineData("dir", "/tmp", "files")]
    [InlineData("port", "1", "listens")]
    [InlineData("tls-port", "1", "TLS")]
    [InlineData("cluster-enabled", "yes", "cluster belongs")]
    [InlineData("enable-debug-command", "yes", "inside")]
    [InlineData("logfile", "/tmp/x", "own output")]
    [InlineData("io-threads", "4", "not among those")]
    [InlineData("timeout", "-1", "is not possible")]
    [InlineData("timeout", "", "is not possible")]
    [InlineData("timeout", "5\nappendonly no", "is not possible")]
    [InlineData("timeout", "+5", "is not possible")]
    [InlineData("hz", "501", "is not possible")]
    [InlineData("maxclients", "99", "is not possible")]
    [InlineData("dynamic-hz", "maybe", "is not possible")]
    [InlineData("notify-keyspace-events", "Q", "is not possible")]
    [InlineData("auto-aof-rewrite-min-size", "1kb", "is not possible")]
    [InlineData("auto-aof-rewrite-min-size", "mb", "is not possible")]
    [InlineData("auto-aof-rewrite-percentage", "0", "is not possible")]
    [InlineData("client-output-buffer-limit", "pubsub 1 1", "is not possible")]
    [InlineData("client-output-buffer-limit", "replica 1 1 1", "is not possible")]
    [InlineData("client-output-buffer-limit", "pubsub -1 1 1", "is not possible")]
    public void What_may_not_be_set_names_its_field_the_reason_and_the_fix(string name, string value, string reason)
    {
        var violation = Assert.Single(RedisParameters.Check("spec.engines.redis", Plan((name, value))));
        Assert.Equal(($"spec.engines.redis.parameters.{name}", "ParameterRefused"), (violation.Field, violation.Reason));
        Assert.Contains(reason, violation.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(violation.Fix);
        // What would keep the server from starting never reaches its file.
        Assert.Empty(RedisParameters.Lines(Plan((name, value))));
    }

    [Fact]
    public void Every_default_is_allowed() =>
        Assert.Empty(RedisParameters.Check("p", Plan([.. RedisParameters.Allowed])));

    [Fact]
    public void More_than_the_bound_is_refused() =>
        Assert.Contains(RedisParameters.Check("p", Plan([.. Enumerable.Range(0, 65).Select(number => ($"x{number}", "1"))])), violation => violation.Field == "p.parameters");

    [Theory]
    [InlineData("notify-keyspace-events", "KEA", "AKE")]
    [InlineData("notify-keyspace-events", "xE", "Ex")]
    [InlineData("notify-keyspace-events", "AKEm", "KEmg$lshzxetd")]
    [InlineData("auto-aof-rewrite-min-size", "64mb", "67108864")]
    [InlineData("auto-aof-rewrite-min-size", "64MB", "67108864")]
    [InlineData("client-output-buffer-limit", "pubsub 64mb 16mb 60", "normal 0 0 0 slave 268435456 67108864 60 pubsub 67108864 16777216 60")]
    [InlineData("client-output-buffer-limit", "normal 1 1 1", "normal 1 1 1 slave 1 1 1 pubsub 33554432 8388608 60")]
    [InlineData("timeout", "007", "7")]
    public void A_server_that_says_the_same_in_its_own_words_is_as_asked(string name, string declared, string shown) =>
        Assert.Equal(RedisParameters.Wanted(Plan((name, declared)))[name], RedisParameters.Shown(name, shown));

    [Theory]
    [InlineData("notify-keyspace-events", "KEA", "KE")]
    [InlineData("auto-aof-rewrite-min-size", "64mb", "64000000")]
    [InlineData("client-output-buffer-limit", "pubsub 64mb 16mb 60", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60")]
    public void Another_value_is_not(string name, string declared, string shown) =>
        Assert.NotEqual(RedisParameters.Wanted(Plan((name, declared)))[name], RedisParameters.Shown(name, shown));

    [Theory]
    [InlineData("{maxmemoryPolicy: allkeys-lru}")]
    [InlineData("{parameters: {timeout: '300', notify-keyspace-events: ''}}")]
    public void What_is_taken_up_live_stands_in_the_file_and_changes_no_pod_template(string settings)
    {
        Assert.Equal(Template("{}"), Template(settings));
        Assert.NotEqual(Config("{}"), Config(settings));
        Assert.NotEqual(Template("{}"), Template("{resources: {memory: 1Gi}}"));
    }

    [Fact]
    public void The_file_holds_what_is_asked_for()
    {
        var config = Config("{maxmemoryPolicy: volatile-ttl, parameters: {timeout: '300', notify-keyspace-events: ''}}");
        Assert.Contains("maxmemory-policy volatile-ttl\n", config, StringComparison.Ordinal);
        Assert.EndsWith("notify-keyspace-events \"\"\ntimeout 300\n", config, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("maxmemoryPolicy: sometimes")]
    [InlineData("parameters: {timeout: 300}")]
    public void What_does_not_fit_the_contract_is_refused(string settings) =>
        Assert.ThrowsAny<JsonException>(() => Engines.Bind("redis", settings));

    [Theory]
    [InlineData(RedisEviction.None, "noeviction")]
    [InlineData(RedisEviction.AllKeysLru, "allkeys-lru")]
    [InlineData(RedisEviction.AllKeysLfu, "allkeys-lfu")]
    [InlineData(RedisEviction.AllKeysRandom, "allkeys-random")]
    [InlineData(RedisEviction.VolatileLru, "volatile-lru")]
    [InlineData(RedisEviction.VolatileLfu, "volatile-lfu")]
    [InlineData(RedisEviction.VolatileRandom, "volatile-random")]
    [InlineData(RedisEviction.VolatileTtl, "volatile-ttl")]
    public void Each_policy_has_the_name_that_Redis_gives_it(RedisEviction policy, string name) =>
        Assert.Equal(name, RedisPlan.Of(new(Engines.Stack(), "redis"), new(MaxmemoryPolicy: policy)).Policy);

    private static string Template(string settings) => Find(settings, "StatefulSet")["spec"]!["template"]!.ToJsonString();

    private static string Config(string settings) => (string)Find(settings, "ConfigMap")["data"]!["redis.conf"]!;

    private static System.Text.Json.Nodes.JsonNode Find(string settings, string kind) =>
        Engines.Bind("redis", settings, Tier.Staging).Render(EngineObservation.None).First(manifest => manifest.Resource.Kind == kind).Body;

    private static RedisPlan Plan(params (string Name, string Value)[] parameters) =>
        RedisPlan.Of(new(Engines.Stack(), "redis"), new(Parameters: parameters.ToDictionary(pair => pair.Name, pair => pair.Value)));
}
