using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>What the primary says of the set and of what is in it.</summary>
/// <param name="Pods">Pods that are members by its configuration.</param>
/// <param name="Committed">Whether that configuration is on a majority of the members.</param>
/// <param name="States">State of each pod, e.g. SECONDARY.</param>
/// <param name="Lags">Seconds each pod is behind the primary.</param>
/// <param name="Compatibility">Feature compatibility version, or null when it is being changed.</param>
/// <param name="WriteConcern">Default write concern that was set: <c>1</c>, <c>majority</c>, or null.</param>
/// <param name="Needs">Users, roles, collections and indexes that are not as declared.</param>
/// <param name="Problem">What differs and cannot be brought about without losing something.</param>
internal sealed record MongoDbFindings(
    IReadOnlySet<string> Pods,
    bool Committed,
    IReadOnlyDictionary<string, string> States,
    IReadOnlyDictionary<string, double> Lags,
    string? Compatibility,
    string? WriteConcern,
    IReadOnlyList<string> Needs,
    string? Problem)
{
    public string? StateOf(string pod) => States.GetValueOrDefault(pod);

    public double? LagOf(string pod) => Lags.TryGetValue(pod, out var lag) ? lag : null;

    /// <summary>Asks the primary.</summary>
    public static async Task<MongoDbFindings> AskAsync(MongoDbPlan plan, MongoClient client, CancellationToken cancellationToken)
    {
        var configuration = await client.RunAsync("admin", new() { { "replSetGetConfig", 1 }, { "commitmentStatus", true } }, cancellationToken).ConfigureAwait(false);
        var status = await client.RunAsync("admin", new() { { "replSetGetStatus", 1 } }, cancellationToken).ConfigureAwait(false);
        var compatibility = await client.RunAsync("admin", new() { { "getParameter", 1 }, { "featureCompatibilityVersion", 1 } }, cancellationToken).ConfigureAwait(false);
        var concern = await client.RunAsync("admin", new() { { "getDefaultRWConcern", 1 } }, cancellationToken).ConfigureAwait(false);
        var (needs, problem) = await MongoDbSchema.CompareAsync(plan, client, cancellationToken).ConfigureAwait(false);
        var administrators = MongoDbAccess.Administrators(plan);
        // Whoever was let in is not whom the Secret names: volumes that are new, or older than the Secret.
        IReadOnlyList<string> first = administrators.Any(user => user.Name == client.User) ? [] : [$"{MongoDbNeeds.SetAdministrator}/{administrators[0].Name}"];
        return Of(configuration, status, compatibility, concern) with { Needs = [.. first, .. needs], Problem = problem };
    }

    /// <summary>Reads the answers about the set; pure.</summary>
    public static MongoDbFindings Of(BsonDocument configuration, BsonDocument status, BsonDocument compatibility, BsonDocument concern)
    {
        var members = status.Documents("members").Where(member => member.Text("name") is not null).DistinctBy(member => member.Text("name")).ToList();
        var written = members.FirstOrDefault(member => member.Integer("state") == 1)?.Milliseconds("optimeDate");
        var version = compatibility.Document("featureCompatibilityVersion");
        return new(
            (configuration.Document("config")?.Documents("members") ?? []).Select(member => member.Text("host")).OfType<string>().Select(MongoDbPlan.PodOf).ToHashSet(StringComparer.Ordinal),
            configuration.Truth("commitmentStatus") == true,
            ByPod(members, member => member.Text("stateStr") ?? ""),
            ByPod(members.Where(member => written is not null && member.Integer("state") is 1 or 2 && member.Milliseconds("optimeDate") is not null), member => Math.Max(0, (written!.Value - member.Milliseconds("optimeDate")!.Value) / 1000.0)),
            // While it is being changed, a target stands beside the version that still holds.
            version?["targetVersion"] is null ? version?.Text("version") : null,
            WriteConcernOf(concern),
            [],
            null);
    }

    // What is merely implied by the number of members does not count: it changes with them.
    private static string? WriteConcernOf(BsonDocument concern) =>
        concern.Text("defaultWriteConcernSource") == "implicit" ? null
        : concern.Document("defaultWriteConcern")?["w"] is { } value ? value.Raw as string ?? value.Number?.ToString(System.Globalization.CultureInfo.InvariantCulture)
        : null;

    private static Dictionary<string, T> ByPod<T>(IEnumerable<BsonDocument> members, Func<BsonDocument, T> value) => members
        .GroupBy(member => MongoDbPlan.PodOf(member.Text("name")!), StringComparer.Ordinal)
        .ToDictionary(group => group.Key, group => value(group.First()), StringComparer.Ordinal);
}
