using Dora.Engines.Rendering;

namespace Dora.Engines.Neo4j;

/// <summary>What is missing, as names of commands with what they are about: <c>CreateUser/alice</c>. In the order of doing.</summary>
internal static class Neo4jNeeds
{
    public const string SetAdminPassword = "SetAdminPassword";
    public const string SetAdministrator = "SetAdministrator";
    public const string EnableServer = "EnableServer";
    public const string DeallocateServer = "DeallocateServer";
    public const string DropServer = "DropServer";
    public const string CreateDatabase = "CreateDatabase";
    public const string SetTopology = "SetTopology";
    public const string CreateConstraint = "CreateConstraint";
    public const string CreateIndex = "CreateIndex";
    public const string SetRights = "SetRights";
    public const string CreateUser = "CreateUser";
    public const string SetPassword = "SetPassword";
    public const string SetRoles = "SetRoles";

    public static IReadOnlyList<string> Of(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, IReadOnlyList<MemberHealth> members, Neo4jFindings findings) =>
    [
        .. plan.Clustered ? Joining(plan, findings) : [],
        .. Databases(plan, view),
        .. plan.Databases.SelectMany(database => Schema(database, findings)),
        .. Rights(plan, view, findings),
        .. plan.AllUsers.SelectMany(entry => User(entry.User, plan, findings)),
        .. plan.Clustered ? Leaving(plan, members, findings) : [],
    ];

    /// <summary>The schema rules that a database declares.</summary>
    public static IEnumerable<SchemaRule> Wanted(Neo4jDatabase database) =>
        [.. (database.Constraints ?? []).Select(SchemaRule.Of), .. (database.Indexes ?? []).Select(SchemaRule.Of)];

    private static IEnumerable<string> Joining(Neo4jPlan plan, Neo4jFindings findings) => findings.Servers
        .Where(server => server.State == ServerState.Free && ScaleIn.Ordinal(server.Pod) is { } ordinal && ordinal < plan.Members && server.Pod == plan.Names.Pod(ordinal))
        .OrderBy(server => ScaleIn.Ordinal(server.Pod))
        .Select(server => $"{EnableServer}/{server.Pod}");

    // One at a time, the highest first and its pod gone before the next, and only while every member that stays is well: its databases go to those.
    private static IEnumerable<string> Leaving(Neo4jPlan plan, IReadOnlyList<MemberHealth> members, Neo4jFindings findings)
    {
        var leaving = members
            .Where(member => Neo4jScaling.Leaves(plan, member.Pod))
            .OrderByDescending(member => ScaleIn.Ordinal(member.Pod))
            .FirstOrDefault();
        var stays = members.Where(member => !Neo4jScaling.Leaves(plan, member.Pod)).ToList();
        if (leaving is null or { Detail: Neo4jScaling.Retired } || stays.Count < plan.Members || !stays.All(member => member.Serving))
            yield break;
        switch (findings.Servers.FirstOrDefault(server => server.Pod == leaving.Pod)?.State)
        {
            case ServerState.Enabled or ServerState.Cordoned:
                yield return $"{DeallocateServer}/{leaving.Pod}";
                break;
            case ServerState.Free or ServerState.Deallocated:
                yield return $"{DropServer}/{leaving.Pod}";
                break;
        }
    }

    private static IEnumerable<string> Databases(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view)
    {
        foreach (var database in plan.AllDatabases)
        {
            var copies = view.Where(copy => copy.Name == database.Name).ToList();
            // The server creates its default database itself.
            if (copies.Count == 0 && database.Name != Neo4jPlan.DefaultDatabase)
                yield return $"{CreateDatabase}/{database.Name}";
            var (primaries, secondaries) = plan.Topology(database);
            if (plan.Clustered && copies.Any(copy => copy is { Writer: true, Online: true })
                && copies.Exists(copy => (copy.RequestedPrimaries ?? primaries) != primaries || (copy.RequestedSecondaries ?? secondaries) != secondaries))
            {
                yield return $"{SetTopology}/{database.Name}";
            }
        }
    }

    // The same rule under another name does the same; the server would refuse a second one.
    private static IEnumerable<string> Schema(Neo4jDatabase database, Neo4jFindings findings) =>
        findings.Schemas.GetValueOrDefault(database.Name) is not { } found ? [] : Wanted(database)
            .Where(wanted => !found.Any(rule => rule.Name == wanted.Name || (rule with { Name = wanted.Name }) == wanted))
            .Select(wanted => $"{(wanted.Constraint ? CreateConstraint : CreateIndex)}/{database.Name}/{wanted.Name}");

    // Rights on a database can be given only when it exists.
    private static IEnumerable<string> Rights(Neo4jPlan plan, IReadOnlyList<DatabaseCopy> view, Neo4jFindings findings)
    {
        var databases = view.Select(copy => copy.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var role in plan.AllRoles)
        {
            var wanted = Neo4jPrivilege.Of(role).Where(privilege => databases.Contains(privilege.Database)).ToHashSet();
            if (!findings.Roles.Contains(role.Name) || !wanted.SetEquals(findings.Privileges.Where(privilege => privilege.Role == role.Name)))
                yield return $"{SetRights}/{role.Name}";
        }
    }

    private static IEnumerable<string> User(Neo4jUser user, Neo4jPlan plan, Neo4jFindings findings)
    {
        var found = findings.Users.FirstOrDefault(state => state.Name == user.Name);
        if (found is null)
            yield return $"{CreateUser}/{user.Name}";
        else if (findings.RefusedLogins.Contains(user.Name))
            yield return $"{SetPassword}/{user.Name}";
        if (plan.Enterprise && !(user.Roles ?? []).ToHashSet(StringComparer.Ordinal).SetEquals(found?.Roles ?? []))
            yield return $"{SetRoles}/{user.Name}";
    }
}
