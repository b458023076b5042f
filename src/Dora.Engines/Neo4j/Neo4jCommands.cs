using Dora.Engines.Neo4j.QueryApi;

namespace Dora.Engines.Neo4j;

/// <summary>What the operator says to Neo4j.</summary>
internal static class Neo4jCommands
{
    // Enough for a first set-up in few passes, and still a pass that ends.
    private const int MostAtOnce = 24;

    private static readonly Dictionary<string, string> Reasons = new(StringComparer.Ordinal)
    {
        [Neo4jNeeds.SetAdminPassword] = "replacing the password of the first start by the operator's",
        [Neo4jNeeds.SetAdministrator] = "making administrator '{0}', whom the Secret names",
        [Neo4jNeeds.EnableServer] = "letting {0} host databases",
        [Neo4jNeeds.DeallocateServer] = "moving the databases off {0}, which goes with the scale-in",
        [Neo4jNeeds.DropServer] = "taking {0} out of the cluster; it holds no database",
        [Neo4jNeeds.CreateDatabase] = "creating database '{0}'",
        [Neo4jNeeds.SetTopology] = "changing the copies of database '{0}' to what the spec asks",
        [Neo4jNeeds.CreateConstraint] = "creating constraint '{0}'",
        [Neo4jNeeds.CreateIndex] = "creating index '{0}'",
        [Neo4jNeeds.SetRights] = "giving role '{0}' the rights that the spec asks",
        [Neo4jNeeds.CreateUser] = "creating user '{0}'",
        [Neo4jNeeds.SetPassword] = "setting the password of user '{0}' to that of its Secret",
        [Neo4jNeeds.SetRoles] = "giving user '{0}' the roles that the spec asks",
    };

    /// <summary>Decides from what was last observed; pure.</summary>
    public static IReadOnlyList<EngineCommand> Decide(Neo4jPlan plan, EngineObservation observed)
    {
        if (observed.Health is not { } health)
            return [];
        var commands = health.Needs.Select(Command).OfType<EngineCommand>().Where(command => Declared(plan, command)).ToList();
        // Until the password is set, nothing else is listened to.
        return commands.Find(command => command.Name == Neo4jNeeds.SetAdminPassword) is { } first ? [first] : [.. commands.Take(MostAtOnce)];
    }

    public static async Task ExecuteAsync(Neo4jPlan plan, QueryTransport transport, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        if (command.Name == Neo4jNeeds.SetAdminPassword)
        {
            await SetAdminPasswordAsync(plan, transport, target, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (command.Name == Neo4jNeeds.SetAdministrator)
        {
            var role = Neo4jLogins.Administrator(plan);
            await Neo4jLogins.AcceptAsync(plan, transport, role, target.Logins(role), target, cancellationToken).ConfigureAwait(false);
            return;
        }

        await AsAdminAsync(plan, transport, target, (admin, _) => ExecuteAsync(plan, admin, command, target, cancellationToken)).ConfigureAwait(false);
    }

    /// <summary>
    /// Does something as the administrator whom the Secret names, or as the other one who takes turns, where only that is known. Only for
    /// what begins with a question, and may be said twice.
    /// </summary>
    internal static async Task AsAdminAsync(Neo4jPlan plan, QueryTransport transport, EngineTarget target, Func<QueryClient, Login, Task> act)
    {
        var ways = target.Ways(Neo4jLogins.Administrator(plan));
        foreach (var (number, login) in ways.Index())
        {
            try
            {
                await act(Neo4jProbe.Client(transport, login.Username, login.Password), login).ConfigureAwait(false);
                return;
            }
            catch (QueryException exception) when (exception.Kind is QueryErrorKind.Unauthorized or QueryErrorKind.TooManyAttempts && number < ways.Count - 1)
            {
                // The next one may be known.
            }
        }
    }

    /// <summary>Finds the member that leads, and goes on there.</summary>
    internal static QuerySession Session(Neo4jPlan plan, QueryClient admin, EngineTarget target) => new(admin, Neo4jProbe.Endpoints(plan, target.Members, null));

    /// <summary>Gives a user the roles that are declared, and no others.</summary>
    internal static async Task SetRolesAsync(Neo4jUser user, QuerySession session, CancellationToken cancellationToken)
    {
        var users = await session.RunAsync(Neo4jPlan.SystemDatabase, UserState.Show, cancellationToken).ConfigureAwait(false);
        var found = users.Rows.Select(UserState.Parse).FirstOrDefault(state => state.Name == user.Name)?.Roles ?? [];
        foreach (var surplus in found.Except(user.Roles ?? [], StringComparer.Ordinal))
            await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.RevokeRole(surplus, user.Name), cancellationToken).ConfigureAwait(false);
        foreach (var missing in (user.Roles ?? []).Except(found, StringComparer.Ordinal))
            await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.GrantRole(missing, user.Name), cancellationToken).ConfigureAwait(false);
    }

    private static async Task ExecuteAsync(Neo4jPlan plan, QueryClient admin, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        if (command.Name == EngineCommand.ReloadCertificate)
        {
            await Neo4jTls.ReloadAsync(plan, admin, command.Subject, target, cancellationToken).ConfigureAwait(false);
            return;
        }

        var session = Session(plan, admin, target);
        var subject = command.Subject;
        switch (command.Name)
        {
            case Neo4jNeeds.EnableServer:
                await ServerAsync(session, subject, [ServerState.Free], id => [Cypher.EnableServer(id, Rendering.ScaleIn.Ordinal(subject) < plan.Primaries)], cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.DeallocateServer:
                await ServerAsync(session, subject, [ServerState.Enabled, ServerState.Cordoned], id => [Cypher.Deallocate(id, dryRun: true), Cypher.Deallocate(id, dryRun: false)], cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.DropServer:
                await ServerAsync(session, subject, [ServerState.Free, ServerState.Deallocated], id => [Cypher.DropServer(id)], cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.CreateDatabase or Neo4jNeeds.SetTopology:
                await session.RunAsync(Neo4jPlan.SystemDatabase, Database(plan, command), cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.CreateConstraint or Neo4jNeeds.CreateIndex:
                await SchemaAsync(plan, session, command, cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.SetRights:
                await SetRightsAsync(plan.AllRoles.First(role => role.Name == subject), session, cancellationToken).ConfigureAwait(false);
                break;
            case Neo4jNeeds.CreateUser or Neo4jNeeds.SetPassword or Neo4jNeeds.SetRoles:
                await UserAsync(plan, session, command, target, cancellationToken).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentException($"Neo4j knows no command {command.Name}", nameof(command));
        }
    }

    private static EngineCommand? Command(string need)
    {
        var parts = need.Split('/', 2);
        return Reasons.TryGetValue(parts[0], out var reason)
            ? new(parts[0], parts.ElementAtOrDefault(1) ?? Neo4jPlan.AdminUser, reason.Replace("{0}", parts.ElementAtOrDefault(1), StringComparison.Ordinal))
            : null;
    }

    // A need was found under the spec of its time; what has left the spec since is not created.
    private static bool Declared(Neo4jPlan plan, EngineCommand command) => command.Name switch
    {
        Neo4jNeeds.CreateDatabase or Neo4jNeeds.SetTopology => plan.AllDatabases.Any(database => database.Name == command.Subject),
        Neo4jNeeds.CreateConstraint or Neo4jNeeds.CreateIndex => Schema(plan, command) is not null,
        Neo4jNeeds.SetRights => plan.AllRoles.Any(role => role.Name == command.Subject),
        Neo4jNeeds.CreateUser or Neo4jNeeds.SetPassword or Neo4jNeeds.SetRoles => Neo4jLogins.Of(plan).Any(role => role.Usernames.Contains(command.Subject)),
        Neo4jNeeds.DeallocateServer or Neo4jNeeds.DropServer => Neo4jScaling.Leaves(plan, command.Subject),
        Neo4jNeeds.EnableServer => !Neo4jScaling.Leaves(plan, command.Subject),
        _ => true,
    };

    // Only the member that leads the system database can do it, and while the password is to be changed nobody says which one
    // that is. It may have been told already: then it refuses the first password, and the operator's own is right.
    private static async Task SetAdminPasswordAsync(Neo4jPlan plan, QueryTransport transport, EngineTarget target, CancellationToken cancellationToken)
    {
        var (first, admin) = (target.Credential(plan.Names.InternalSecret, "initial-password"), target.Credential(plan.Names.InternalSecret, "admin-password"));
        QueryException? refusal = null;
        foreach (var member in Neo4jProbe.Endpoints(plan, target.Members, null))
        {
            try
            {
                await Neo4jProbe.Client(transport, Neo4jPlan.AdminUser, first).RunAsync(member, Neo4jPlan.SystemDatabase, Cypher.SetOwnPassword(first, admin), [], cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (QueryException exception) when (exception.Kind == QueryErrorKind.Unauthorized)
            {
                await AsAdminAsync(plan, transport, target, (client, _) => client.RunAsync(member, Neo4jPlan.SystemDatabase, Cypher.ShowSelf, [], cancellationToken)).ConfigureAwait(false);
                return;
            }
            catch (QueryException exception)
            {
                refusal = exception;
            }
        }

        throw refusal ?? new QueryException(QueryErrorKind.Unavailable, "", "no member has an address");
    }

    // The state is read again: a server that is elsewhere by now is left alone.
    private static async Task ServerAsync(QuerySession session, string pod, string[] states, Func<string, IEnumerable<Query>> statements, CancellationToken cancellationToken)
    {
        var servers = await session.RunAsync(Neo4jPlan.SystemDatabase, ServerState.Show, cancellationToken).ConfigureAwait(false);
        if (servers.Rows.Select(ServerState.Parse).FirstOrDefault(server => server.Pod == pod && states.Contains(server.State)) is not { } server)
            return;
        foreach (var statement in statements(server.Id))
            await session.RunAsync(Neo4jPlan.SystemDatabase, statement, cancellationToken).ConfigureAwait(false);
    }

    private static Query Database(Neo4jPlan plan, EngineCommand command)
    {
        var database = plan.AllDatabases.First(database => database.Name == command.Subject);
        var (primaries, secondaries) = plan.Topology(database);
        return command.Name == Neo4jNeeds.SetTopology ? Cypher.SetTopology(database.Name, primaries, secondaries)
            : plan.Clustered ? Cypher.CreateDatabase(database.Name, primaries, secondaries)
            : Cypher.CreateDatabase(database.Name);
    }

    private static (string Database, Query Statement)? Schema(Neo4jPlan plan, EngineCommand command)
    {
        var parts = command.Subject.Split('/', 2);
        var database = plan.Databases.FirstOrDefault(database => database.Name == parts[0]);
        var name = parts.ElementAtOrDefault(1);
        if (command.Name == Neo4jNeeds.CreateConstraint)
            return database?.Constraints?.FirstOrDefault(constraint => constraint.Name == name) is { } constraint ? (parts[0], Cypher.Create(constraint)) : null;
        return database?.Indexes?.FirstOrDefault(index => index.Name == name) is { } index ? (parts[0], Cypher.Create(index)) : null;
    }

    private static async Task SchemaAsync(Neo4jPlan plan, QuerySession session, EngineCommand command, CancellationToken cancellationToken)
    {
        var (database, statement) = Schema(plan, command) ?? throw new ArgumentException($"{command.Subject} is not declared", nameof(command));
        await session.RunAsync(database, statement, cancellationToken).ConfigureAwait(false);
    }

    private static async Task SetRightsAsync(Neo4jRole role, QuerySession session, CancellationToken cancellationToken)
    {
        await session.RunAsync(Neo4jPlan.SystemDatabase, Cypher.CreateRole(role.Name), cancellationToken).ConfigureAwait(false);
        var databases = (await session.RunAsync(Neo4jPlan.SystemDatabase, new("SHOW DATABASES YIELD name", ReadOnly: true), cancellationToken).ConfigureAwait(false)).Rows.Select(row => row.Text("name")).ToHashSet(StringComparer.Ordinal);
        var rows = (await session.RunAsync(Neo4jPlan.SystemDatabase, Neo4jPrivilege.Show, cancellationToken).ConfigureAwait(false)).Rows;
        var found = rows.Select(Neo4jPrivilege.Parse).OfType<Neo4jPrivilege>().Where(privilege => privilege.Role == role.Name).ToHashSet();
        var wanted = Neo4jPrivilege.Of(role).Where(privilege => databases.Contains(privilege.Database)).ToHashSet();
        // What is too much goes first: a role never has more than before and after.
        foreach (var surplus in found.Except(wanted))
            await session.RunAsync(Neo4jPlan.SystemDatabase, surplus.Revoke(), cancellationToken).ConfigureAwait(false);
        foreach (var missing in wanted.Except(found))
            await session.RunAsync(Neo4jPlan.SystemDatabase, missing.Grant(), cancellationToken).ConfigureAwait(false);
    }

    private static async Task UserAsync(Neo4jPlan plan, QuerySession session, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var (user, secret) = plan.AllUsers.FirstOrDefault(entry => entry.User.Name == command.Subject);
        // Of two that take turns it may be the other one's by now.
        if (user is null)
            return;
        if (command.Name != Neo4jNeeds.SetRoles)
        {
            var password = plan.Password(user.Name, secret, target);
            var statement = command.Name == Neo4jNeeds.CreateUser ? Cypher.CreateUser(user.Name, password) : Cypher.SetPassword(user.Name, password);
            await session.RunAsync(Neo4jPlan.SystemDatabase, statement, cancellationToken).ConfigureAwait(false);
            return;
        }

        await SetRolesAsync(user, session, cancellationToken).ConfigureAwait(false);
    }
}
