using System.Globalization;
using Dora.Engines.Rendering;

namespace Dora.Engines.Redis;

/// <summary>What the operator says to Redis and the Sentinels.</summary>
internal static class RedisCommands
{
    public const string RefreshSentinels = "RefreshSentinels";
    public const string Failover = "Failover";
    public const string FollowMaster = "FollowMaster";

    /// <summary>Decides from what was last observed; pure.</summary>
    public static IReadOnlyList<EngineCommand> Decide(RedisPlan plan, EngineObservation observed)
    {
        if (plan.Mode != RedisMode.Sentinel || observed.Health is not { Primary: { } primary } health)
            return [];
        if (PrimaryMove.Reason(plan.Instances, observed) is { } reason)
            return [new(Failover, primary, reason)];
        if (health.Needs.Where(need => need.StartsWith(FollowMaster, StringComparison.Ordinal)).ToList() is { Count: > 0 } astray)
            return [.. astray.Select(need => new EngineCommand(FollowMaster, need[(FollowMaster.Length + 1)..], $"{need[(FollowMaster.Length + 1)..]} follows another server than {primary}"))];
        var settled = (observed.Workload?.Spec?.Replicas ?? 0) == plan.Instances && health.Members.Count == plan.Instances && health.Members.All(member => member.Serving);
        return settled && health.Needs.Contains(RefreshSentinels)
            ? [new(RefreshSentinels, primary, "the Sentinels know members that are gone, or another quorum")]
            : [];
    }

    public static async Task ExecuteAsync(RedisPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        switch (command.Name)
        {
            case Failover:
                await FailoverAsync(command.Subject, target, admin, cancellationToken).ConfigureAwait(false);
                break;
            case FollowMaster:
                await FollowAsync(command.Subject, target, admin, cancellationToken).ConfigureAwait(false);
                break;
            case RefreshSentinels:
                await RefreshAsync(plan, target, admin, cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentException($"Redis knows no command {command.Name}", nameof(command));
        }
    }

    // A Sentinel promotes the new master a moment before it demotes the old one; what the old one accepts in between would be lost.
    // So writes wait from before the failover until the old master follows the new one.
    private static async Task FailoverAsync(string master, EngineTarget target, RedisAdmin admin, CancellationToken cancellationToken)
    {
        var old = target.Members.First(member => member.Name == master);
        var server = await admin.ConnectAsync(old, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
        await using var closing = server.ConfigureAwait(false);
        await server.SendAsync(cancellationToken, "CLIENT", "PAUSE", "20000", "WRITE").ConfigureAwait(false);
        try
        {
            var sentinel = await BeginFailoverAsync(master, target, admin, cancellationToken).ConfigureAwait(false);
            await using var closingToo = sentinel.ConfigureAwait(false);
            for (var tries = 0; tries < 50; tries++)
            {
                var elected = (await RedisProbe.SentinelAsync(sentinel, cancellationToken).ConfigureAwait(false)).Master;
                if (elected is not null && RedisProbe.Pod(elected) != master)
                {
                    await server.SendAsync(cancellationToken, "REPLICAOF", elected, RedisPlan.Port.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false);
                    return;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, cancellationToken).ConfigureAwait(false);
            }

            throw new TimeoutException("the Sentinels did not elect another master within 10 s");
        }
        finally
        {
            await server.SendAsync(cancellationToken, "CLIENT", "UNPAUSE").ConfigureAwait(false);
        }
    }

    // Each Sentinel judges the replicas by what it last heard of them, up to 10 s ago: one may refuse where another does not.
    // One that was just started may still take another for the master, and would fail over from that.
    private static async Task<RespClient> BeginFailoverAsync(string master, EngineTarget target, RedisAdmin admin, CancellationToken cancellationToken)
    {
        Exception refused = new InvalidOperationException($"no Sentinel takes {master} for the master");
        foreach (var member in target.Members.Where(member => member.Address is not null))
        {
            var sentinel = await admin.ConnectAsync(member, RedisPlan.SentinelPort, cancellationToken).ConfigureAwait(false);
            try
            {
                if (RedisProbe.Pod((await RedisProbe.SentinelAsync(sentinel, cancellationToken).ConfigureAwait(false)).Master) == master)
                {
                    await sentinel.SendAsync(cancellationToken, "SENTINEL", "FAILOVER", RedisPlan.MasterName).ConfigureAwait(false);
                    return sentinel;
                }
            }
            catch (RespException exception)
            {
                refused = exception;
            }

            await sentinel.DisposeAsync().ConfigureAwait(false);
        }

        throw refused;
    }

    // The Sentinels are asked again: they may have elected another master since the probe.
    private static async Task FollowAsync(string pod, EngineTarget target, RedisAdmin admin, CancellationToken cancellationToken)
    {
        var member = target.Members.First(member => member.Name == pod);
        var sentinel = await admin.ConnectAsync(member, RedisPlan.SentinelPort, cancellationToken).ConfigureAwait(false);
        string master;
        await using (sentinel.ConfigureAwait(false))
            master = (await RedisProbe.SentinelAsync(sentinel, cancellationToken).ConfigureAwait(false)).Master ?? throw new InvalidOperationException("the Sentinel names no master");
        if (RedisProbe.Pod(master) == pod)
            return;
        var server = await admin.ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
            await server.SendAsync(cancellationToken, "REPLICAOF", master, RedisPlan.Port.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false);
    }

    // RESET forgets members that are gone. One Sentinel per call, and the next only when this one knows the others again
    // (Redis documentation, "Adding or removing Sentinels"): the next probe finds the next. They are asked again here, because
    // the probe that decided may be older than the last reset.
    private static async Task RefreshAsync(RedisPlan plan, EngineTarget target, RedisAdmin admin, CancellationToken cancellationToken)
    {
        var members = target.Members.OrderBy(member => member.Ordinal).ToList();
        var states = new List<SentinelAnswer?>();
        foreach (var member in members)
        {
            if (member.Address is null)
                return;
            var asked = await admin.ConnectAsync(member, RedisPlan.SentinelPort, cancellationToken).ConfigureAwait(false);
            await using (asked.ConfigureAwait(false))
                states.Add(await RedisProbe.SentinelAsync(asked, cancellationToken).ConfigureAwait(false));
        }

        if (RedisProbe.NextStale(plan, states) is not { } stale)
            return;
        var client = await admin.ConnectAsync(members[stale], RedisPlan.SentinelPort, cancellationToken).ConfigureAwait(false);
        await using (client.ConfigureAwait(false))
        {
            await client.SendAsync(cancellationToken, "SENTINEL", "SET", RedisPlan.MasterName, "quorum", plan.Quorum.ToString(CultureInfo.InvariantCulture)).ConfigureAwait(false);
            if (RedisProbe.CountsTheGone(plan, states[stale]!))
                await client.SendAsync(cancellationToken, "SENTINEL", "RESET", RedisPlan.MasterName).ConfigureAwait(false);
        }
    }
}
