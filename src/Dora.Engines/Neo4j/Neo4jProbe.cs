using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>Asks every server how it is, and one of them about all.</summary>
internal static class Neo4jProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    public static async Task<EngineHealth> RunAsync(Neo4jPlan plan, QueryTransport transport, EngineTarget target, CancellationToken cancellationToken)
    {
        var ways = target.Ways(Neo4jLogins.Administrator(plan));
        var first = Client(transport, Neo4jPlan.AdminUser, target.Credential(plan.Names.InternalSecret, "initial-password"));
        var answers = await Task.WhenAll(target.Members.Select(member => AskAsync(plan, transport, ways, first, member, cancellationToken))).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var view = Neo4jJudge.View(answers);
        var members = Endpoints(plan, answers.Where(answer => answer.Databases is not null).Select(answer => answer.Member), Leader(view));
        var known = answers.Select(answer => answer.Login).OfType<Login>().FirstOrDefault() ?? ways[0];
        var (findings, problem) = members.Count == 0 ? (null, null) : await FindAsync(plan, transport, Client(transport, known.Username, known.Password), members, view, target, cancellationToken).ConfigureAwait(false);
        return Neo4jJudge.Judge(plan, answers, findings, problem);
    }

    public static QueryClient Client(QueryTransport transport, string user, string password) => new(transport, user, password, Patience);

    /// <summary>Members with an address, a given one first.</summary>
    public static IReadOnlyList<QueryEndpoint> Endpoints(Neo4jPlan plan, IEnumerable<MemberPod> members, string? first) =>
    [
        .. members
            .Where(member => member.Address is not null)
            .OrderByDescending(member => member.Name == first)
            .ThenBy(member => member.Ordinal)
            .Select(member => Endpoint(plan, member)),
    ];

    public static QueryEndpoint Endpoint(Neo4jPlan plan, MemberPod member) => new(member.Address!, plan.Names.MemberHost(member.Ordinal));

    private static string? Leader(IReadOnlyList<DatabaseCopy> view) => view.FirstOrDefault(copy => copy is { Name: Neo4jPlan.SystemDatabase, Writer: true })?.Pod;

    private static async Task<Neo4jAnswer> AskAsync(Neo4jPlan plan, QueryTransport transport, IReadOnlyList<Login> ways, QueryClient first, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, false, null, "has no address yet");
        var endpoint = Endpoint(plan, member);
        ServerIdentity? identity = null;
        try
        {
            QueryException? locked = null;
            foreach (var login in ways)
            {
                var admin = Client(transport, login.Username, login.Password);
                identity ??= await admin.IdentifyAsync(endpoint, cancellationToken).ConfigureAwait(false);
                try
                {
                    var result = await admin.RunAsync(endpoint, Neo4jPlan.SystemDatabase, DatabaseCopy.Show(plan.Enterprise), [], cancellationToken).ConfigureAwait(false);
                    return new(member, identity, false, [.. result.Rows.Select(DatabaseCopy.Parse)], null) { Login = login };
                }
                catch (QueryException exception) when (exception.Kind is QueryErrorKind.Unauthorized or QueryErrorKind.TooManyAttempts)
                {
                    // The next one may be known.
                    locked ??= exception.Kind == QueryErrorKind.TooManyAttempts ? exception : null;
                }
            }

            if (locked is not null)
                return new(member, identity, false, null, Explain(locked));
            return await FirstAsync(first, endpoint, cancellationToken).ConfigureAwait(false)
                ? new(member, identity, true, null, "still has the password of its first start")
                : new(member, identity, false, null, $"refuses the operator's password; Secret {plan.Names.InternalSecret} does not belong to these volumes");
        }
        catch (QueryException exception)
        {
            return new(member, identity, false, null, Explain(exception));
        }
    }

    // One more wrong password of each user at most: after three the server locks the user for 5 s.
    private static async Task<bool> FirstAsync(QueryClient first, QueryEndpoint endpoint, CancellationToken cancellationToken)
    {
        try
        {
            await first.RunAsync(endpoint, Neo4jPlan.SystemDatabase, Cypher.ShowSelf, [], cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (QueryException exception)
        {
            return exception.Kind == QueryErrorKind.PasswordChangeRequired || exception.Code == "Neo.ClientError.Security.Forbidden";
        }
    }

    private static string Explain(QueryException exception) => exception.Kind switch
    {
        QueryErrorKind.TooManyAttempts => "locked the operator out for a few seconds after wrong passwords",
        QueryErrorKind.PasswordChangeRequired => "wants the operator's password changed",
        QueryErrorKind.Transient or QueryErrorKind.NotLeader => "is not ready to answer",
        QueryErrorKind.Rejected or QueryErrorKind.DatabaseNotFound when exception.Code.Length > 0 => $"answers {exception.Code}",
        QueryErrorKind.Malformed => "answers what is not Neo4j's protocol",
        _ => exception.Message,
    };

    private static async Task<(Neo4jFindings? Findings, string? Problem)> FindAsync(
        Neo4jPlan plan,
        QueryTransport transport,
        QueryClient admin,
        IReadOnlyList<QueryEndpoint> members,
        IReadOnlyList<DatabaseCopy> view,
        EngineTarget target,
        CancellationToken cancellationToken)
    {
        var reader = new Reader(admin, members, cancellationToken);
        try
        {
            var servers = plan.Clustered ? reader.ListAsync(Neo4jPlan.SystemDatabase, ServerState.Show, ServerState.Parse) : Task.FromResult<IReadOnlyList<ServerState>>([]);
            var users = reader.ListAsync(Neo4jPlan.SystemDatabase, UserState.Show, UserState.Parse);
            var roles = plan.Enterprise ? reader.ListAsync(Neo4jPlan.SystemDatabase, new("SHOW ROLES YIELD role", ReadOnly: true), row => row.Text("role") ?? "") : Task.FromResult<IReadOnlyList<string>>([]);
            var privileges = plan.Enterprise ? reader.ListAsync(Neo4jPlan.SystemDatabase, Neo4jPrivilege.Show, Neo4jPrivilege.Parse) : Task.FromResult<IReadOnlyList<Neo4jPrivilege?>>([]);
            var schemas = SchemasAsync(plan, reader, view);
            await Task.WhenAll(servers, users, roles, privileges, schemas).ConfigureAwait(false);
            var known = (await users.ConfigureAwait(false)).Select(user => user.Name).ToHashSet(StringComparer.Ordinal);
            var refused = await RefusedAsync(plan, transport, members, known, target, cancellationToken).ConfigureAwait(false);
            return (new(
                await servers.ConfigureAwait(false),
                await users.ConfigureAwait(false),
                await roles.ConfigureAwait(false),
                [.. (await privileges.ConfigureAwait(false)).OfType<Neo4jPrivilege>()],
                await schemas.ConfigureAwait(false),
                refused), null);
        }
        catch (QueryException exception)
        {
            return (null, $"the members cannot be asked about users and databases: one {Explain(exception)}");
        }
    }

    private static async Task<IReadOnlyDictionary<string, IReadOnlyList<SchemaRule>>> SchemasAsync(Neo4jPlan plan, Reader reader, IReadOnlyList<DatabaseCopy> view)
    {
        var schemas = new Dictionary<string, IReadOnlyList<SchemaRule>>(StringComparer.Ordinal);
        foreach (var database in plan.Databases.Where(database => (database.Constraints ?? []).Count + (database.Indexes ?? []).Count > 0))
        {
            if (!view.Any(copy => copy.Name == database.Name && copy is { Online: true, Writer: true }))
                continue;
            var constraints = await reader.ListAsync(database.Name, SchemaRule.ShowConstraints, row => SchemaRule.Parse(row, constraint: true)).ConfigureAwait(false);
            var indexes = await reader.ListAsync(database.Name, SchemaRule.ShowIndexes, row => SchemaRule.Parse(row, constraint: false)).ConfigureAwait(false);
            schemas[database.Name] = [.. constraints, .. indexes];
        }

        return schemas;
    }

    // Logging in as each user tells whether the Secrets hold what the servers know. A user that is not there is not tried.
    private static async Task<IReadOnlySet<string>> RefusedAsync(Neo4jPlan plan, QueryTransport transport, IReadOnlyList<QueryEndpoint> members, HashSet<string> known, EngineTarget target, CancellationToken cancellationToken)
    {
        var tries = await Task.WhenAll(plan.AllUsers.Where(entry => known.Contains(entry.User.Name)).Select(async entry =>
        {
            var client = Client(transport, entry.User.Name, plan.Password(entry.User.Name, entry.Secret, target));
            try
            {
                await client.RunAsync(members[0], Neo4jPlan.SystemDatabase, Cypher.ShowSelf, [], cancellationToken).ConfigureAwait(false);
                return null;
            }
            catch (QueryException exception)
            {
                return exception.Kind is QueryErrorKind.Unauthorized or QueryErrorKind.PasswordChangeRequired ? entry.User.Name : null;
            }
        })).ConfigureAwait(false);
        return tries.OfType<string>().ToHashSet(StringComparer.Ordinal);
    }

    private sealed class Reader(QueryClient client, IReadOnlyList<QueryEndpoint> members, CancellationToken cancellationToken)
    {
        public async Task<IReadOnlyList<T>> ListAsync<T>(string database, Query query, Func<QueryRow, T> parse)
        {
            var result = await new QuerySession(client, members).RunAsync(database, query, cancellationToken).ConfigureAwait(false);
            return [.. result.Rows.Select(parse)];
        }
    }
}
