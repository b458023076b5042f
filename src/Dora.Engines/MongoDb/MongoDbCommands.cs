using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>What the operator says to MongoDB.</summary>
internal static class MongoDbCommands
{
    public const string StepDown = "StepDown";

    private static readonly TimeSpan Upgrading = TimeSpan.FromSeconds(60);

    /// <summary>What the operator writes is on a majority of the members before it counts as done.</summary>
    public static BsonValue Majority => new BsonDocument { { "w", "majority" }, { "wtimeout", 10_000 } };

    /// <summary>Decides from what was last observed; pure.</summary>
    public static IReadOnlyList<EngineCommand> Decide(MongoDbPlan plan, EngineObservation observed)
    {
        if (observed.Health is not { Primary: { } primary } health)
            return [];
        // Everything else is said to the next primary.
        if (MongoDbScaleIn.PrimaryMove(plan, observed) is { } reason)
            return [new(StepDown, primary, reason)];
        return [.. health.Needs.Select(Command).OfType<EngineCommand>()];
    }

    /// <summary>Says one command to the member that is primary now.</summary>
    public static async Task ExecuteAsync(MongoDbPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        if (command.Name == StepDown)
        {
            await MongoDbReplicaSet.StepDownAsync(plan, command.Subject, target, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (command.Name == EngineCommand.ReloadCertificate)
        {
            await MongoDbTls.ReloadAsync(plan, command.Subject, target, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (command.Name == MongoDbNeeds.SetAdministrator)
        {
            var role = MongoDbLogins.Administrator(plan);
            await MongoDbLogins.AcceptAsync(plan, role, target.Logins(role), target, cancellationToken).ConfigureAwait(false);
            return;
        }

        var client = await MongoDbTopology.PrimaryAsync(plan, target, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        await ExecuteAsync(plan, command, target, client, cancellationToken).ConfigureAwait(false);
    }

    private static Task ExecuteAsync(MongoDbPlan plan, EngineCommand command, EngineTarget target, MongoClient client, CancellationToken cancellationToken) => command.Name switch
    {
        MongoDbNeeds.AddMember => MongoDbReplicaSet.AddAsync(plan, command.Subject, client, cancellationToken),
        MongoDbNeeds.RemoveMember => MongoDbReplicaSet.RemoveAsync(command.Subject, client, cancellationToken),
        MongoDbNeeds.SetDefaultWriteConcern => SetWriteConcernAsync(plan, client, cancellationToken),
        MongoDbNeeds.SetCompatibility => SetCompatibilityAsync(command.Subject, client, cancellationToken),
        MongoDbAccess.CreateUser or MongoDbAccess.UpdateUser or MongoDbAccess.SetPassword or MongoDbAccess.DropUser or MongoDbAccess.CreateRole or MongoDbAccess.UpdateRole =>
            MongoDbAccess.ExecuteAsync(plan, command, target, client, cancellationToken),
        MongoDbSchema.CreateCollection or MongoDbSchema.ModifyCollection or MongoDbSchema.CreateIndex or MongoDbSchema.ModifyIndex =>
            MongoDbSchema.ExecuteAsync(plan, command, client, cancellationToken),
        _ => throw new ArgumentException($"MongoDB knows no command {command.Name}", nameof(command)),
    };

    // A need that is no command, e.g. that a pod may go, gives none.
    private static EngineCommand? Command(string need)
    {
        var slash = need.IndexOf('/', StringComparison.Ordinal);
        var (name, subject) = slash < 0 ? (need, "") : (need[..slash], need[(slash + 1)..]);
        var reason = name switch
        {
            MongoDbNeeds.AddMember => $"{subject} answers and is no member of the replica set yet",
            MongoDbNeeds.RemoveMember => $"{subject} is a member of the replica set and not wanted any more",
            MongoDbNeeds.SetDefaultWriteConcern => $"writes wait for '{subject}' unless their client says otherwise",
            MongoDbNeeds.SetAdministrator => $"the Secret names administrator '{subject}', and another one was let in",
            MongoDbNeeds.SetCompatibility => $"all members run {subject}",
            MongoDbAccess.CreateUser => $"user '{subject}' is missing",
            MongoDbAccess.UpdateUser => $"user '{subject}' has other roles than declared",
            MongoDbAccess.SetPassword => $"the server refuses the password that the Secret of '{subject}' holds",
            MongoDbAccess.DropUser => $"user '{subject}' is not declared any more",
            MongoDbAccess.CreateRole => $"role '{subject}' is missing",
            MongoDbAccess.UpdateRole => $"role '{subject}' may do something else than declared",
            MongoDbSchema.CreateCollection => $"collection {subject} is missing",
            MongoDbSchema.ModifyCollection => $"collection {subject} validates something else than declared",
            MongoDbSchema.CreateIndex => $"index {subject} is missing",
            MongoDbSchema.ModifyIndex => $"documents expire by index {subject} at another time than declared",
            _ => null,
        };
        return reason is null ? null : new(name, subject, reason);
    }

    private static Task SetWriteConcernAsync(MongoDbPlan plan, MongoClient client, CancellationToken cancellationToken)
    {
        BsonValue w = plan.WriteConcern == "majority" ? "majority" : 1;
        return client.RunAsync("admin", new()
        {
            { "setDefaultRWConcern", 1 },
            { "defaultWriteConcern", new BsonDocument { { "w", w }, { "wtimeout", 0 } } },
            { "writeConcern", Majority },
        }, cancellationToken);
    }

    // Older servers cannot read the data afterwards: the server wants that confirmed from 7.0 on.
    private static Task SetCompatibilityAsync(string version, MongoClient client, CancellationToken cancellationToken) => client.RunAsync(
        "admin", new() { { "setFeatureCompatibilityVersion", version }, { "confirm", true }, { "writeConcern", Majority } }, Upgrading, cancellationToken);
}
