using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>
/// Changes of the replica set's configuration, one voting member at a time (MongoDB manual, <c>replSetReconfig</c>): two majorities
/// that follow each other then share a member, so that never two primaries commit. Never by force.
/// </summary>
internal static class MongoDbReplicaSet
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>The next configuration, or null when the wish is met already; pure.</summary>
    public static BsonDocument? WithMember(BsonDocument configuration, string host, bool arbiter)
    {
        var members = configuration.Documents("members").ToList();
        if (members.Any(member => member.Text("host") == host))
            return null;
        var added = new BsonDocument { { "_id", NextId(configuration, members) }, { "host", host } };
        if (arbiter)
        {
            added.Add("arbiterOnly", true);
            added.Add("priority", 0);
        }

        return Next(configuration, [.. members, added]);
    }

    /// <summary>The next configuration without the members of a pod, or null when the wish is met already; pure.</summary>
    public static BsonDocument? WithoutMember(BsonDocument configuration, string pod)
    {
        var members = configuration.Documents("members").ToList();
        var gone = members.LastOrDefault(member => member.Text("host") is { } host && MongoDbPlan.PodOf(host) == pod);
        return gone is null ? null : Next(configuration, [.. members.Where(member => !ReferenceEquals(member, gone))]);
    }

    /// <summary>Adds a pod.</summary>
    public static Task AddAsync(MongoDbPlan plan, string pod, MongoClient client, CancellationToken cancellationToken) =>
        ReconfigureAsync(client, configuration => WithMember(configuration, plan.Host(pod), pod == plan.ArbiterPod), cancellationToken);

    /// <summary>Removes a pod.</summary>
    public static Task RemoveAsync(string pod, MongoClient client, CancellationToken cancellationToken) =>
        ReconfigureAsync(client, configuration => WithoutMember(configuration, pod), cancellationToken);

    /// <summary>Asks a primary to let another member take over; one that is not primary any more is left alone.</summary>
    public static async Task StepDownAsync(MongoDbPlan plan, string pod, EngineTarget target, CancellationToken cancellationToken)
    {
        var member = target.Members.FirstOrDefault(member => member.Name == pod) ?? throw new InvalidOperationException($"pod {pod} does not exist");
        var client = await MongoDbTopology.ConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        if (!client.Hello.IsWritablePrimary)
            return;
        await MongoDbTopology.LogInAsync(plan, target, client, cancellationToken).ConfigureAwait(false);
        // It waits until a secondary has everything, and refuses otherwise: nothing acknowledged is lost.
        await client.RunAsync("admin", new() { { "replSetStepDown", 60 }, { "secondaryCatchUpPeriodSecs", 10 } }, Patience, cancellationToken).ConfigureAwait(false);
    }

    private static async Task ReconfigureAsync(MongoClient client, Func<BsonDocument, BsonDocument?> change, CancellationToken cancellationToken)
    {
        var answer = await client.RunAsync("admin", new() { { "replSetGetConfig", 1 }, { "commitmentStatus", true } }, cancellationToken).ConfigureAwait(false);
        var configuration = answer.Document("config") ?? throw new InvalidDataException("the server tells no configuration");
        if (change(configuration) is not { } next)
            return;
        if (answer.Truth("commitmentStatus") != true)
            throw new InvalidOperationException("the last change of the replica set is not on a majority of its members yet");
        await client.RunAsync("admin", new() { { "replSetReconfig", next }, { "maxTimeMS", 10_000 } }, Patience, cancellationToken).ConfigureAwait(false);
    }

    // The term is the server's: it writes its own.
    private static BsonDocument Next(BsonDocument configuration, IReadOnlyList<BsonDocument> members) => configuration
        .With("version", (int)((configuration.Integer("version") ?? throw new InvalidDataException("a configuration has no version")) + 1))
        .With("members", new BsonArray(members.Select(member => (BsonValue)member)));

    // Never one that was given before: a member that left and comes back is another member. Versions only grow, and every change
    // takes a new one. Where the numbers end (255), the least that is free.
    private static int NextId(BsonDocument configuration, List<BsonDocument> members)
    {
        var taken = members.Select(member => member.Integer("_id") ?? 0).ToHashSet();
        var next = Math.Max(taken.DefaultIfEmpty(0).Max(), configuration.Integer("version") ?? 0) + 1;
        return (int)(next <= 255 ? next : Enumerable.Range(0, 256).First(number => !taken.Contains(number)));
    }
}
