using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>
/// Two users that take turns, with the same roles: a user of Neo4j has one password. The Community Edition has no roles, and there
/// every user has the same rights.
/// </summary>
internal static class Neo4jLogins
{
    // Built in (Neo4j operations manual, "Built-in roles and privileges"): everything, of every database.
    private const string AdminRole = "admin";

    public static IReadOnlyList<RotatingRole> Of(Neo4jPlan plan) =>
        [.. plan.AllUsers.Select(entry => new RotatingRole(entry.Secret, entry.User.Name, RotatingRole.SecondOf(entry.User.Name))), Administrator(plan)];

    /// <summary>It comes last of all that change: it is the way to tell of the others. A server on a new volume knows only the first of the two.</summary>
    public static RotatingRole Administrator(Neo4jPlan plan) => new(plan.Names.InternalSecret, Neo4jPlan.AdminUser, RotatingRole.SecondOf(Neo4jPlan.AdminUser), "admin-password");

    /// <summary>The users as they shall be while some of them log in by their second name, or by both.</summary>
    public static Neo4jPlan Resolve(Neo4jPlan plan, EngineTarget target) => plan with
    {
        Logins = Of(plan)
            .Where(role => target.Secrets.GetValueOrDefault(role.SecretName)?.ContainsKey(role.Key) == true)
            .ToDictionary(role => role.Id, target.Logins, StringComparer.Ordinal),
    };

    /// <summary>The member that leads takes these logins and drops the role's other user; the others follow a moment later.</summary>
    public static Task AcceptAsync(Neo4jPlan plan, QueryTransport transport, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken) => Neo4jCommands.AsAdminAsync(plan, transport, target, async (admin, self) =>
    {
        var session = Neo4jCommands.Session(plan, admin, target);
        var users = await session.RunAsync(Neo4jPlan.SystemDatabase, UserState.Show, cancellationToken).ConfigureAwait(false);
        var there = users.Rows.Select(row => UserState.Parse(row).Name).ToHashSet(StringComparer.Ordinal);
        var wanted = role.Id == Administrator(plan).Id ? new(role.Username, [AdminRole]) : plan.AllUsers.First(entry => entry.Secret == role.SecretName).User;
        foreach (var login in logins)
        {
            if (!there.Contains(login.Username))
                await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.CreateUser(login.Username, login.Password), cancellationToken).ConfigureAwait(false);
            else if (!await IsKnownAsync(plan, transport, login, target, cancellationToken).ConfigureAwait(false))
                await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.SetPassword(login.Username, login.Password), cancellationToken).ConfigureAwait(false);
            if (plan.Enterprise)
                await Neo4jCommands.SetRolesAsync(wanted with { Name = login.Username }, session, cancellationToken).ConfigureAwait(false);
        }

        // Nobody can take away whom it is: then the next probe is let in as the other one, and finds this one there.
        foreach (var username in role.Usernames.Where(username => there.Contains(username) && username != self.Username && logins.All(login => login.Username != username)))
            await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.DropUser(username), cancellationToken).ConfigureAwait(false);
    });

    /// <summary>Logs in to every member.</summary>
    public static Task<IReadOnlyList<LoginFinding>> LogInAsync(Neo4jPlan plan, QueryTransport transport, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = Neo4jProbe.Client(transport, login.Username, login.Password);
        return MemberPoll.AskAsync(target.Members, async (member, token) => new LoginFinding(member.Name, await AnswerAsync(plan, client, member, token).ConfigureAwait(false)), TimeProvider.System, cancellationToken);
    }

    // What a user has already is not said again: who logs in at that moment must not be refused.
    private static async Task<bool> IsKnownAsync(Neo4jPlan plan, QueryTransport transport, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        (await LogInAsync(plan, transport, login, target, cancellationToken).ConfigureAwait(false)).Any(finding => finding.Answer == LoginAnswer.Accepted);

    private static async Task<LoginAnswer> AnswerAsync(Neo4jPlan plan, QueryClient user, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return LoginAnswer.Unknown;
        try
        {
            await user.RunAsync(Neo4jProbe.Endpoint(plan, member), Neo4jPlan.SystemDatabase, Cypher.ShowSelf, [], cancellationToken).ConfigureAwait(false);
            return LoginAnswer.Accepted;
        }
        catch (QueryException exception)
        {
            // A user that is locked after wrong passwords is refused with the right one, too.
            return exception.Kind == QueryErrorKind.Unauthorized ? LoginAnswer.Refused : LoginAnswer.Unknown;
        }
        catch (OperationCanceledException)
        {
            return LoginAnswer.Unknown;
        }
    }
}
