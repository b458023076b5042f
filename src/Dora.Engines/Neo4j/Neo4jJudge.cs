namespace Dora.Engines.Neo4j;

/// <summary>From answers to a verdict; pure.</summary>
internal static class Neo4jJudge
{
    /// <summary>A follower further behind than this does not count as following (transactions).</summary>
    public const long LagLimit = 10_000;

    /// <summary>
    /// The databases as the cluster sees them: by the member that leads the system database if it answers, else by any.
    /// </summary>
    public static IReadOnlyList<DatabaseCopy> View(IReadOnlyList<Neo4jAnswer> answers) =>
        answers.FirstOrDefault(answer => answer.Databases?.Any(copy => copy is { Name: Neo4jPlan.SystemDatabase, Writer: true } && copy.Pod == answer.Member.Name) == true)?.Databases
        ?? answers.FirstOrDefault(answer => answer.Databases is not null)?.Databases
        ?? [];

    public static EngineHealth Judge(Neo4jPlan plan, IReadOnlyList<Neo4jAnswer> answers, Neo4jFindings? findings, string? problem)
    {
        var view = View(answers);
        var version = answers.Select(answer => answer.Identity?.Version).FirstOrDefault(value => value is not null);
        var primary = Writer(plan, view, answers, Neo4jPlan.DefaultDatabase);
        var members = answers.Select(answer => Member(plan, answer, view, findings, primary)).ToList();
        if (answers.All(answer => answer.Identity is null))
            return new(EngineVerdict.Unreachable, members, null, null, answers.Select(answer => $"{answer.Member.Name}: {answer.Problem}").FirstOrDefault() ?? "no member exists", []);
        if (answers.Any(answer => answer.FirstPassword))
            return new(EngineVerdict.Degraded, members, null, version, "the password of the first start is being replaced", [Neo4jNeeds.SetAdminPassword]);
        IReadOnlyList<string> needs = findings is null ? [] : [.. Administrator(plan, answers, findings), .. Neo4jNeeds.Of(plan, view, members, findings)];
        var wrong = Problem(plan, view, members, findings) ?? problem;
        // While nothing else is wrong, what is missing is what was just found to be needed.
        wrong ??= needs.Count > 0 ? $"{needs[0]} is still to be done" : null;
        return new(wrong is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, primary, version, wrong ?? "", needs);
    }

    // Whoever was let in is not whom the Secret names, or is there beside: volumes that are new, or older than the Secret.
    private static IEnumerable<string> Administrator(Neo4jPlan plan, IReadOnlyList<Neo4jAnswer> answers, Neo4jFindings findings)
    {
        var role = Neo4jLogins.Administrator(plan);
        if (plan.Logins?.GetValueOrDefault(role.Id) is not { } wanted)
            yield break;
        var there = findings.Users.Select(user => user.Name).Intersect(role.Usernames, StringComparer.Ordinal);
        if (answers.Select(answer => answer.Login?.Username).OfType<string>().Concat(there).Any(name => wanted.All(login => login.Username != name)))
            yield return $"{Neo4jNeeds.SetAdministrator}/{wanted[0].Username}";
    }

    /// <summary>The pod that leads a database; a single server is the only one there is, whatever it calls itself.</summary>
    private static string? Writer(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, IReadOnlyList<Neo4jAnswer> answers, string database)
    {
        var copy = view.FirstOrDefault(copy => copy.Name == database && copy is { Writer: true, Online: true });
        return copy is null ? null : plan.Clustered ? copy.Pod : answers.FirstOrDefault(answer => answer.Databases is not null)?.Member.Name;
    }

    private static MemberHealth Member(Neo4jPlan plan, Neo4jAnswer answer, IReadOnlyList<DatabaseCopy> view, Neo4jFindings? findings, string? primary)
    {
        var name = answer.Member.Name;
        // A server that was dropped stops; its pod may go whether it still answers or not.
        if (plan.Clustered && findings is not null && Neo4jScaling.Leaves(plan, name) && Dropped(findings, name))
            return new(name, MemberRole.Unknown, false, Detail: Neo4jScaling.Retired);
        if (answer.Databases is null)
            return new(name, MemberRole.Unknown, false, Detail: answer.Problem);
        if (answer.Identity is { } identity && !identity.Edition.Equals(plan.Edition.ToString(), StringComparison.OrdinalIgnoreCase))
            return new(name, MemberRole.Unknown, false, Detail: $"runs the {identity.Edition} edition; the image is not that of the {plan.Edition} Edition");
        var detail = plan.Clustered && findings is not null ? Server(findings, name) : null;
        detail ??= Copies(plan, view, name);
        return new(name, name == primary ? MemberRole.Primary : MemberRole.Replica, detail is null, Detail: detail);
    }

    private static bool Dropped(Neo4jFindings findings, string pod) => findings.Servers.Count > 0 && findings.Servers.All(server => server.Pod != pod || server.State == ServerState.Dropped);

    private static string? Server(Neo4jFindings findings, string pod) => findings.Servers.FirstOrDefault(server => server.Pod == pod) switch
    {
        null => "has not joined the cluster yet",
        { State: ServerState.Free } => "has joined and is not enabled yet",
        { State: ServerState.Cordoned } => "is cordoned: it takes no further databases",
        { State: ServerState.Deallocating } => "is handing its databases over",
        { State: ServerState.Deallocated } => "holds no database any more",
        // Its identity is on its volume, and is never let in again.
        { State: ServerState.Dropped } => $"was dropped from the cluster earlier; delete the claim data-{pod} and then the pod, and it joins as a new server",
        { State: not ServerState.Enabled } server => $"is {server.State}",
        { Health: not "Available" } => "is unavailable to the other members",
        _ => null,
    };

    private static string? Copies(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, string pod)
    {
        var mine = plan.Clustered ? view.Where(copy => copy.Pod == pod) : view;
        var bad = mine.OrderBy(copy => copy.Name, StringComparer.Ordinal).FirstOrDefault(copy => copy is { Requested: "online", Online: false } || copy.Lag < -LagLimit || copy.Lag > LagLimit);
        return bad is null ? null
            : !bad.Online ? $"database {bad.Name} is {bad.Current}"
            : $"is more than {LagLimit} transactions behind in database {bad.Name}";
    }

    private static string? Problem(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, List<MemberHealth> members, Neo4jFindings? findings)
    {
        if (members.Where(member => member.Role == MemberRole.Unknown && !Neo4jScaling.Leaves(plan, member.Pod)).Select(member => $"{member.Pod}: {member.Detail}").FirstOrDefault() is { } mute)
            return mute;
        if (!view.Any(copy => copy is { Name: Neo4jPlan.SystemDatabase, Writer: true }))
            return "no member leads database system: the primaries have no majority";
        if (members.FirstOrDefault(member => !member.Serving && !Neo4jScaling.Leaves(plan, member.Pod)) is { } behind)
            return $"{behind.Pod}: {behind.Detail}";
        if (plan.AllDatabases.Select(database => Database(plan, view, database)).FirstOrDefault(wrong => wrong is not null) is { } lacking)
            return lacking;
        var staying = members.Count(member => !Neo4jScaling.Leaves(plan, member.Pod));
        if (staying < plan.Members)
            return $"{staying} of {plan.Members} members exist";
        return findings is null ? null : Schema(plan, findings);
    }

    // Quorum: a database takes writes while most of its primaries are online. It is whole when all of them are.
    private static string? Database(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, Neo4jDatabase database)
    {
        var copies = view.Where(copy => copy.Name == database.Name).ToList();
        if (copies.Count == 0)
            return $"database {database.Name} does not exist yet";
        if (!copies.Any(copy => copy is { Writer: true, Online: true }))
            return $"no member leads database {database.Name}: most of its primaries are away, or it is not online";
        var (primaries, secondaries) = plan.Clustered ? plan.Topology(database) : (1, 0);
        var online = copies.Count(copy => copy is { Online: true, Role: "primary" });
        if (plan.Clustered && online < primaries)
            return $"database {database.Name} has fewer than {primaries} primaries online";
        return plan.Clustered && copies.Count(copy => copy is { Online: true, Role: "secondary" }) < secondaries
            ? $"database {database.Name} has fewer than {secondaries} secondaries online"
            : null;
    }

    // Something else stands under a wanted name: it is not replaced, because that could take hours or fail on the data.
    private static string? Schema(Neo4jPlan plan, Neo4jFindings findings) => plan.Databases
        .SelectMany(database => Neo4jNeeds.Wanted(database).Select(wanted => (database.Name, Wanted: wanted, Found: findings.Schemas.GetValueOrDefault(database.Name))))
        .Where(entry => entry.Found?.FirstOrDefault(rule => rule.Name == entry.Wanted.Name) is { } other && other != entry.Wanted)
        .Select(entry => $"database {entry.Name}: '{entry.Wanted.Name}' exists and is something else than declared; drop it, or declare another name")
        .FirstOrDefault();
}
