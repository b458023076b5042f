using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>
/// Two users that take turns, with the same roles: a user of Neo4j has one password. The Community Edition has no roles, and there
/// every user has the same rights.
/// </summary>
internal static class Neo4jLogins
{
    public static IReadOnlyList<RotatingRole> Of(Neo4jPlan plan) =>
        [.. plan.AllUsers.Select(entry => new RotatingRole(entry.Secret, entry.User.Name, RotatingRole.SecondOf(entry.User.Name)))];

    /// <summary>The users as they shall be while some of them log in by their second name, or by both.</summary>
    public static Neo4jPlan Resolve(Neo4jPlan plan, EngineTarget target) => plan with
    {
        Logins = Of(plan)
            .Where(role => target.Secrets.GetValueOrDefault(role.SecretName)?.ContainsKey("password") == true)
            .ToDictionary(role => role.SecretName, role => target.Logins(role.SecretName, role.Username), StringComparer.Ordinal),
    };

    /// <summary>The member that leads takes these logins and drops the role's other user; the others follow a moment later.</summary>
    public static async Task AcceptAsync(Neo4jPlan plan, QueryTransport transport, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        var session = Neo4jCommands.Session(plan, Neo4jCommands.Admin(plan, transport, target), target);
        var users = await session.RunAsync(Neo4jPlan.SystemDatabase, UserState.Show, cancellationToken).ConfigureAwait(false);
        var there = users.Rows.Select(row => UserState.Parse(row).Name).ToHashSet(StringComparer.Ordinal);
        var wanted = plan.AllUsers.First(entry => entry.Secret == role.SecretName).User;
        foreach (var username in role.Usernames)
        {
            if (logins.FirstOrDefault(login => login.Username == username) is not { } login)
            {
                if (there.Contains(username))
                    await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.DropUser(username), cancellationToken).ConfigureAwait(false);
                continue;
            }

            if (!there.Contains(username))
                await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.CreateUser(username, login.Password), cancellationToken).ConfigureAwait(false);
            else if (!await IsKnownAsync(plan, transport, login, target, cancellationToken).ConfigureAwait(false))
                await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.SetPassword(username, login.Password), cancellationToken).ConfigureAwait(false);
            if (plan.Enterprise)
                await Neo4jCommands.SetRolesAsync(wanted with { Name = username }, session, cancellationToken).ConfigureAwait(false);
        }
    }

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
