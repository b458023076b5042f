using Dora.Engines.Rendering;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>What the operator says to PostgreSQL and Patroni.</summary>
internal static class PostgresCommands
{
    public const string AppDatabase = "CreateAppDatabase";
    public const string Configuration = "PatchConfiguration";
    public const string RestartPrimary = "RestartPrimary";
    public const string Reload = "ReloadConfiguration";
    public const string Switchover = "Switchover";

    /// <summary>Decides from what was last observed; pure.</summary>
    public static IReadOnlyList<EngineCommand> Decide(PostgresPlan plan, EngineObservation observed)
    {
        if (observed.Health is not { Primary: { } primary } health)
            return [];
        var commands = new List<EngineCommand>();
        foreach (var need in health.Needs)
        {
            var (name, subject) = PostgresNeeds.Split(need);
            commands.Add(new(name, subject.Length == 0 ? primary : subject, need switch
            {
                _ when name == PostgresRepair.Reinitialize => $"{subject} {health.Members.FirstOrDefault(member => member.Pod == subject)?.Detail}: it copies {primary} anew",
                _ when name == Reload => $"{subject} has not taken up the parameters that the members share",
                AppDatabase => $"creating database and role '{PostgresPlan.AppDatabase}'",
                _ when need.Contains('/', StringComparison.Ordinal) => PostgresNeeds.Reason(need),
                RestartPrimary => "a parameter that replicas may not have smaller than their primary is lowered, so the primary goes first",
                _ => "bringing Patroni's shared configuration to what the spec asks",
            }));
        }

        if (PrimaryMove.Reason(plan.Instances, observed) is { } reason && Candidate(observed) is { } candidate)
            commands.Add(new(Switchover, candidate, reason));
        return commands;
    }

    public static async Task ExecuteAsync(PostgresPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var patroni = new PatroniClient(plan, target);
        switch (command.Name)
        {
            case AppDatabase:
                await EnsureAppDatabaseAsync(plan, target, Member(target, command.Subject), cancellationToken).ConfigureAwait(false);
                break;
            case Configuration:
                await ConfigureAsync(plan, patroni, target, Member(target, command.Subject), cancellationToken).ConfigureAwait(false);
                break;
            case RestartPrimary:
                await patroni.RestartAsync(Member(target, command.Subject), cancellationToken).ConfigureAwait(false);
                break;
            case PostgresNeeds.SetRole or PostgresNeeds.EndLogin or PostgresNeeds.SetDatabase or PostgresNeeds.CreateExtension or PostgresNeeds.SetLookup:
                var primary = Leader(target);
                await DeclareAsync(plan, command, target, database => PostgresSql.Source(plan, target, primary, database), cancellationToken).ConfigureAwait(false);
                break;
            case PostgresNeeds.SetLogins when PostgresLogins.Of(plan).FirstOrDefault(role => role.Username == command.Subject) is { } role:
                var door = Leader(target);
                var entry = await PostgresOwnLogins.EntryAsync(plan, target, login => PostgresSql.Source(plan, target, door, login: login), cancellationToken).ConfigureAwait(false);
                await using (var opened = PostgresSql.Source(plan, target, door, login: entry))
                    await PostgresLogins.AcceptAsync(plan, role, target.Logins(role), opened, cancellationToken).ConfigureAwait(false);
                break;
            case PostgresRepair.Reinitialize:
                await ReinitializeAsync(patroni, Leader(target), target, command.Subject, cancellationToken).ConfigureAwait(false);
                break;
            case EngineCommand.ReloadCertificate or Reload:
                await patroni.ReloadAsync(Member(target, command.Subject), cancellationToken).ConfigureAwait(false);
                break;
            case Switchover:
                var leader = Leader(target);
                await patroni.SwitchoverAsync(leader, leader.Name, command.Subject, cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentException($"PostgreSQL knows no command {command.Name}", nameof(command));
        }
    }

    /// <summary>Brings about one thing that is declared. What the spec no longer holds is left to the next probe.</summary>
    internal static async Task DeclareAsync(PostgresPlan plan, EngineCommand command, EngineTarget target, Func<string, NpgsqlDataSource> open, CancellationToken cancellationToken)
    {
        var (name, extension) = PostgresNeeds.Split(command.Subject) is { Subject.Length: > 0 } split ? split : (command.Subject, "");
        var role = plan.Roles.FirstOrDefault(wanted => wanted.Name == name);
        var database = plan.Databases.FirstOrDefault(wanted => wanted.Name == name);
        await using var source = open(command.Name is PostgresNeeds.CreateExtension or PostgresNeeds.SetLookup ? name : "postgres");
        await (command.Name switch
        {
            PostgresNeeds.SetRole when role is not null => PostgresRoles.SetAsync(role, PostgresNeeds.Password(role, target), source, cancellationToken),
            PostgresNeeds.EndLogin when role is null => PostgresRoles.EndLoginAsync(name, source, cancellationToken),
            PostgresNeeds.SetDatabase when database is not null => PostgresRoles.SetAsync(database, source, cancellationToken),
            PostgresNeeds.CreateExtension when database?.Extensions.Contains(extension) == true => PostgresRoles.CreateExtensionAsync(extension, source, cancellationToken),
            PostgresNeeds.SetLookup when plan.Pooler is not null && database is not null => PoolerLookup.SetAsync(name, source, cancellationToken),
            _ => Task.CompletedTask,
        }).ConfigureAwait(false);
    }

    internal static MemberPod Leader(EngineTarget target) =>
        target.Members.FirstOrDefault(member => member.Role is Api.Labels.PrimaryRole or "primary" && member.Address is not null) ?? throw new InvalidOperationException("no member is labelled as primary");

    // Patroni refuses while it does something else, such as one more try to start; that ends soon, or does not: then it is asked later.
    private static async Task ReinitializeAsync(PatroniClient patroni, MemberPod leader, EngineTarget target, string pod, CancellationToken cancellationToken)
    {
        if (leader.Name == pod)
            return;
        for (var tries = 0; tries < 10; tries++)
        {
            if (await patroni.ReinitializeAsync(Member(target, pod), cancellationToken).ConfigureAwait(false))
                return;
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }

        throw new InvalidOperationException($"Patroni on {pod} is busy with something else");
    }

    // The spec may have changed since the probe; what the server would not take is not sent, and the next probe says so.
    private static async Task ConfigureAsync(PostgresPlan plan, PatroniClient patroni, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        await using var source = PostgresSql.Source(plan, target, member);
        var facts = await PostgresQueries.ParametersAsync(source, plan, cancellationToken).ConfigureAwait(false);
        if (ParameterFacts.Problem(plan.Parameters, facts, plan.Version) is not null)
            return;
        var live = await patroni.ConfigurationAsync(member, cancellationToken).ConfigureAwait(false)
            ?? throw new HttpRequestException("Patroni does not tell its configuration");
        if (PostgresProbe.QuorumProblem(plan, (await patroni.StateAsync(member, cancellationToken).ConfigureAwait(false)).Member?.Patroni) is not null)
            return;
        await patroni.PatchConfigurationAsync(member, PatroniConfig.Patch(plan, live), cancellationToken).ConfigureAwait(false);
    }

    // A synchronous standby has every acknowledged commit; in synchronous mode Patroni accepts no other candidate.
    private static string? Candidate(EngineObservation observed) => observed.Health!.Members
        .Where(member => member is { Role: MemberRole.Replica, Serving: true } && member.Pod != observed.Health.Primary)
        .OrderByDescending(member => member.Synchronous)
        .ThenBy(member => member.LagBytes ?? long.MaxValue)
        .ThenBy(member => ScaleIn.Ordinal(member.Pod))
        .FirstOrDefault()?.Pod;

    private static async Task EnsureAppDatabaseAsync(PostgresPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        await using var source = PostgresSql.Source(plan, target, member);
        await PostgresSql.EnsureAppDatabaseAsync(plan, target, source, cancellationToken).ConfigureAwait(false);
    }

    private static MemberPod Member(EngineTarget target, string pod) =>
        target.Members.FirstOrDefault(member => member.Name == pod && member.Address is not null) ?? throw new InvalidOperationException($"pod {pod} has no address");
}
