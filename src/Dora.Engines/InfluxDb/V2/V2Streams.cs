using System.Globalization;
using Dora.Engines.Rendering;

namespace Dora.Engines.InfluxDb.V2;

/// <summary>
/// Replication streams: the first server queues every write and sends it to the second, one stream for each bucket (InfluxDB 2.7
/// documentation, "Replicate data to a remote instance"). They carry new writes only.
/// </summary>
internal static class V2Streams
{
    /// <summary>What the server takes as the least (bytes).</summary>
    public const long LeastQueue = 33554430;

    /// <summary>How long the queue keeps what the second server does not take (seconds); the server's own default, a week.</summary>
    public const long MaxAge = 604800;

    /// <summary>Bytes of one stream's queue: together a tenth of the volume, so that an outage of the second server does not fill the first.</summary>
    public static long Queue(InfluxDbPlan plan) =>
        Math.Max(LeastQueue, (SettingsRules.Mebibytes(plan.Storage.Size) ?? 0) * 1024 * 1024 / 10 / plan.Databases.Count);

    /// <summary>Rights that the first server needs on the second: to write these buckets, nothing else.</summary>
    public static IReadOnlyList<V2Permission>? Rights(InfluxDbPlan plan, V2State second) =>
        second.Permissions([], plan.Databases.Select(database => database.Name));

    /// <summary>What is missing of the streams; pure.</summary>
    public static IEnumerable<string> Needs(InfluxDbPlan plan, V2State first, string pod, V2State second)
    {
        foreach (var need in V2Probe.Needs(plan, pod, second))
            yield return need;
        // One after the other: rights name buckets, and streams name the connection.
        if (Rights(plan, second) is not { } rights)
            yield break;
        var connected = Connected(plan, first, second, second.Right(V2State.Replication, rights));
        if (!connected || Streams(plan, first).Any(stream => stream.LatestResponseCode == 401))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.ConnectReplica, pod);
        if (!connected)
            yield break;
        foreach (var database in plan.Databases.Where(database => first.Bucket(database.Name) is not null && second.Bucket(database.Name) is not null))
        {
            if (Stream(plan, first, database) is not { } stream || !Holds(plan, first, second, database, stream))
                yield return InfluxDbNeeds.Of(InfluxDbNeeds.SetReplication, database.Name);
        }
    }

    /// <summary>Bytes that the second server is behind, and what is wrong with it.</summary>
    public static (long? Lag, string? Detail) Lag(InfluxDbPlan plan, V2State first, V2State second)
    {
        var streams = Streams(plan, first);
        var lag = streams.Count == 0 ? (long?)null : streams.Sum(stream => Math.Max(0, stream.RemainingBytesToBeSynced ?? 0));
        var refused = streams.FirstOrDefault(stream => stream.LatestResponseCode is { } code and not (0 or (>= 200 and < 300)));
        var detail = streams.Count < plan.Databases.Count ? $"{streams.Count.ToString(CultureInfo.InvariantCulture)} of {plan.Databases.Count.ToString(CultureInfo.InvariantCulture)} buckets are replicated to it"
            : refused is not null ? $"refuses points of '{refused.Name[V2State.Mark.Length..]}' with HTTP status {refused.LatestResponseCode!.Value.ToString(CultureInfo.InvariantCulture)}"
            : lag > V2Probe.LagLimit ? $"is more than {(V2Probe.LagLimit >> 20).ToString(CultureInfo.InvariantCulture)} MiB behind"
            : !plan.Databases.All(database => Stream(plan, first, database) is { } stream && stream.RemoteBucketID == second.Bucket(database.Name)?.Id) ? "is not the server that the streams lead to"
            : null;
        return (lag, detail);
    }

    /// <summary>The stream of a bucket.</summary>
    public static V2Replication? Stream(InfluxDbPlan plan, V2State first, DatabasePlan database) => Streams(plan, first).FirstOrDefault(stream => stream.Name == V2State.Mark + database.Name);

    private static IReadOnlyList<V2Replication> Streams(InfluxDbPlan plan, V2State first) =>
        [.. first.Replications.Where(stream => plan.Databases.Any(database => stream.Name == V2State.Mark + database.Name))];

    // The remote names the token it was given: servers show no token again.
    private static bool Connected(InfluxDbPlan plan, V2State first, V2State second, V2Authorization? token) =>
        token is not null && first.Remote is { } remote && remote.RemoteURL == plan.ReplicaUrl && remote.RemoteOrgID == second.Org && remote.Description == token.Id && !remote.AllowInsecureTLS;

    private static bool Holds(InfluxDbPlan plan, V2State first, V2State second, DatabasePlan database, V2Replication stream) =>
        stream.RemoteID == first.Remote?.Id
        && stream.LocalBucketID == first.Bucket(database.Name)?.Id
        && stream.RemoteBucketID == second.Bucket(database.Name)?.Id
        && stream.MaxQueueSizeBytes == Queue(plan);
}
