using Dora.Api;

namespace Dora.Engines.Redis;

/// <summary>
/// What a running server takes up without a restart: the spec's parameters, what is evicted when memory is full, and how much memory
/// there is. The same stands in redis.conf for the next start; here it is said to each member that shows something else.
/// </summary>
internal static class RedisLive
{
    public const string SetParameters = "SetParameters";
    public const string SetMemory = "SetMaxmemory";

    /// <summary>The findings completed by what members do not show as asked.</summary>
    public static async Task<EngineHealth> CompleteAsync(RedisPlan plan, EngineTarget target, EngineHealth health, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        var shown = await MemberPoll.AskAsync(target.Members, async (member, token) => member.Address is null
            ? null
            : (await admin.TryAsync(member, RedisPlan.Port, (client, stop) => ShownAsync(plan, client, stop), token).ConfigureAwait(false)).Answer, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return Judge(plan, health, [.. target.Members.Select((member, index) => (member.Name, shown[index]))]);
    }

    /// <summary>From answers to findings; pure. Memory alone does not count against health: a change of it restarts the members anyway.</summary>
    public static EngineHealth Judge(RedisPlan plan, EngineHealth health, IReadOnlyList<(string Pod, IReadOnlyDictionary<string, string>? Shown)> answers)
    {
        var needs = new List<string>();
        string? message = null;
        foreach (var (pod, shown) in answers.Where(answer => answer.Shown is not null))
        {
            var different = Different(plan, shown!);
            if (different.Contains(RedisParameters.MaxMemory))
                needs.Add($"{SetMemory}/{pod}");
            if (different.FirstOrDefault(name => name != RedisParameters.MaxMemory) is not { } first)
                continue;
            needs.Add($"{SetParameters}/{pod}");
            message ??= $"{pod}: {first} is not as asked yet";
        }

        return health with
        {
            Verdict = message is not null && health.Verdict == EngineVerdict.Healthy ? EngineVerdict.Degraded : health.Verdict,
            Message = health.Message.Length > 0 ? health.Message : message ?? "",
            Needs = [.. health.Needs, .. needs],
        };
    }

    public static bool Is(string need) => need.StartsWith($"{SetParameters}/", StringComparison.Ordinal) || need.StartsWith($"{SetMemory}/", StringComparison.Ordinal);

    /// <summary>Commands from what was last found; pure.</summary>
    public static IEnumerable<EngineCommand> Decide(RedisPlan plan, EngineObservation observed) => (observed.Health?.Needs ?? [])
        .Where(Is)
        .Select(need => need.Split('/', 2))
        .Where(need => need[0] == SetParameters || HasItsMemory(plan, observed, need[1]))
        .Select(need => new EngineCommand(need[0], need[1], need[0] == SetParameters
            ? $"{need[1]} does not run with the parameters that the spec asks for"
            : $"{need[1]} does not run with the memory that follows from the spec"));

    /// <summary>Says it to one member, all at once: the server takes all of it or nothing.</summary>
    public static async Task ExecuteAsync(RedisPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        if (target.Members.FirstOrDefault(member => member.Name == command.Subject) is not { Address: not null } member)
            return;
        var client = await RedisAdmin.Of(plan, target).ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        var wanted = RedisParameters.Wanted(plan);
        var different = Different(plan, await ShownAsync(plan, client, cancellationToken).ConfigureAwait(false))
            .Where(name => name == RedisParameters.MaxMemory == (command.Name == SetMemory))
            .ToList();
        if (different.Count > 0)
            await client.SendAsync(cancellationToken, ["CONFIG", "SET", .. different.SelectMany(name => new[] { name, wanted[name] })]).ConfigureAwait(false);
    }

    // More than its container has would have it killed: only a pod of the template that asks for this memory is told of it.
    private static bool HasItsMemory(RedisPlan plan, EngineObservation observed, string pod) =>
        observed.Workload is { Spec: { } spec, Status: { } status } workload
        && status.ObservedGeneration == workload.Metadata.Generation
        && spec.Template.Metadata.Annotation(Labels.ConfigHash) == RedisStatefulSet.Hash(plan)
        && observed.Rolling?.Outdated.Contains(pod) != true;

    private static List<string> Different(RedisPlan plan, IReadOnlyDictionary<string, string> shown) =>
        [.. RedisParameters.Wanted(plan).Where(pair => shown.GetValueOrDefault(pair.Key) != pair.Value).Select(pair => pair.Key).Order(StringComparer.Ordinal)];

    private static async Task<IReadOnlyDictionary<string, string>> ShownAsync(RedisPlan plan, RespClient client, CancellationToken cancellationToken)
    {
        var reply = await client.SendAsync(cancellationToken, ["CONFIG", "GET", .. RedisParameters.Wanted(plan).Keys]).ConfigureAwait(false);
        return (reply.Items ?? []).Select(item => item.Text ?? "").Chunk(2).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0], pair => RedisParameters.Shown(pair[0], pair[1]), StringComparer.Ordinal);
    }
}
