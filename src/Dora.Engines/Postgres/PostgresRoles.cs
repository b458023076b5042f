using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>
/// Roles, databases and extensions over SQL. Each statement can be said again. Names come through the rules of the spec and are
/// quoted all the same; a password goes as its verifier, so that neither server nor log sees it.
/// </summary>
internal static class PostgresRoles
{
    /// <summary>Comment on roles that the operator made, by which it knows those that are not declared any more.</summary>
    public const string Mark = "declared in the ComplianceStack";

    /// <summary>What the server holds.</summary>
    public static async Task<DeclaredState> StateAsync(PostgresPlan plan, NpgsqlDataSource source, Func<string, NpgsqlDataSource> database, CancellationToken cancellationToken)
    {
        var roles = new List<RoleState>();
        await using (var command = source.CreateCommand(
            """
            SELECT a.rolname::text, a.rolcanlogin, a.rolconnlimit, a.rolbypassrls, a.rolsuper OR a.rolcreaterole OR a.rolcreatedb OR a.rolreplication,
                   ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = a.oid),
                   coalesce(shobj_description(a.oid, 'pg_authid') = $1, false), a.rolpassword
            FROM pg_authid a WHERE a.rolname !~ '^pg_'
            """))
        {
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Mark });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                roles.Add(new(reader.GetString(0), reader.GetBoolean(1), reader.GetInt32(2), reader.GetBoolean(3), reader.GetBoolean(4), reader.GetFieldValue<string[]>(5), reader.GetBoolean(6), reader.IsDBNull(7) ? null : reader.GetString(7)));
        }

        var databases = new List<DatabaseState>();
        await using (var command = source.CreateCommand("SELECT datname::text, pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = ANY($1) AND datallowconn"))
        {
            command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. plan.Databases.Select(wanted => wanted.Name)] });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                databases.Add(new(reader.GetString(0), reader.GetString(1)));
        }

        var available = await NamesAsync(source, "SELECT name::text FROM pg_available_extensions", cancellationToken).ConfigureAwait(false);
        for (var index = 0; index < databases.Count; index++)
        {
            if (plan.Pooler is null && plan.Databases.Single(wanted => wanted.Name == databases[index].Name).Extensions.Count == 0)
                continue;
            await using var inside = database(databases[index].Name);
            databases[index] = await InsideAsync(databases[index], inside, cancellationToken).ConfigureAwait(false);
        }

        return new(roles, databases, available);
    }

    /// <summary>Makes a role, or brings it to what is declared: no right more, no right less.</summary>
    public static async Task SetAsync(RolePlan role, string? password, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var name = Quote(role.Name);
        var secret = role.KeepsPassword ? "" : password is null ? "PASSWORD NULL" : $"PASSWORD '{PostgresSql.ScramVerifier(role.Name, password)}'";
        await using var connection = await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        await RunAsync($"DO $$ BEGIN CREATE ROLE {name}; EXCEPTION WHEN duplicate_object THEN NULL; END $$").ConfigureAwait(false);
        await RunAsync($"ALTER ROLE {name} NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION {(role.ReadsAllRows ? "BYPASSRLS" : "NOBYPASSRLS")} {(role.Login ? "LOGIN" : "NOLOGIN")} CONNECTION LIMIT {role.ConnectionLimit} {secret}").ConfigureAwait(false);
        await RunAsync($"COMMENT ON ROLE {name} IS '{Mark}'").ConfigureAwait(false);
        foreach (var group in await MembershipsAsync(role.Name, connection, cancellationToken).ConfigureAwait(false))
        {
            if (!role.InRoles.Contains(group))
                await RunAsync($"REVOKE {Quote(group)} FROM {name}").ConfigureAwait(false);
        }

        foreach (var group in role.InRoles)
            await RunAsync($"GRANT {Quote(group)} TO {name}").ConfigureAwait(false);
        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);

        async Task RunAsync(string statement)
        {
            await using var command = new NpgsqlCommand(statement, connection, transaction);
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>A role that is not declared any more keeps what it owns, and can no longer log in.</summary>
    public static Task EndLoginAsync(string role, NpgsqlDataSource source, CancellationToken cancellationToken) =>
        RunAsync(source, $"ALTER ROLE {Quote(role)} NOLOGIN PASSWORD NULL", cancellationToken);

    /// <summary>Makes a database, closed to everybody but its owner and the operator's own roles; or gives it its owner.</summary>
    public static async Task SetAsync(DatabasePlan database, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var name = Quote(database.Name);
        var existing = await NamesAsync(source, "SELECT datname || CASE WHEN datallowconn THEN '' ELSE ' closed' END FROM pg_database", cancellationToken).ConfigureAwait(false);
        if (existing.Contains(database.Name))
        {
            await RunAsync(source, $"ALTER DATABASE {name} OWNER TO {Quote(database.Owner)}", cancellationToken).ConfigureAwait(false);
            return;
        }

        // Opened last: one that was interrupted is begun again, and nobody gets in before the doors are set.
        if (!existing.Contains($"{database.Name} closed"))
            await RunAsync(source, $"CREATE DATABASE {name} OWNER {Quote(database.Owner)} ALLOW_CONNECTIONS false", cancellationToken).ConfigureAwait(false);
        await RunAsync(source, $"ALTER DATABASE {name} OWNER TO {Quote(database.Owner)}", cancellationToken).ConfigureAwait(false);
        await RunAsync(source, $"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC", cancellationToken).ConfigureAwait(false);
        await RunAsync(source, $"GRANT CONNECT ON DATABASE {name} TO {Quote(PostgresPlan.MonitorUser)}, {Quote(PostgresPlan.BackupUser)}", cancellationToken).ConfigureAwait(false);
        await RunAsync(source, $"ALTER DATABASE {name} ALLOW_CONNECTIONS true", cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes an extension in the database that the source leads to.</summary>
    public static Task CreateExtensionAsync(string extension, NpgsqlDataSource database, CancellationToken cancellationToken) =>
        RunAsync(database, $"CREATE EXTENSION IF NOT EXISTS {Quote(extension)}", cancellationToken);

    /// <summary>A name as SQL reads it.</summary>
    public static string Quote(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    /// <summary>Says one statement.</summary>
    public static async Task RunAsync(NpgsqlDataSource source, string statement, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    // A database that lets nobody in says nothing of the others.
    private static async Task<DatabaseState> InsideAsync(DatabaseState database, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        try
        {
            return database with
            {
                Extensions = await NamesAsync(source, "SELECT extname::text FROM pg_extension", cancellationToken).ConfigureAwait(false),
                Lookup = await PoolerLookup.IsThereAsync(source, cancellationToken).ConfigureAwait(false),
            };
        }
        catch (NpgsqlException)
        {
            return database;
        }
    }

    private static async Task<List<string>> MembershipsAsync(string role, NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var command = new NpgsqlCommand("SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = $1", connection);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = role });
        return await ReadAsync(command, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<List<string>> NamesAsync(NpgsqlDataSource source, string query, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(query);
        return await ReadAsync(command, cancellationToken).ConfigureAwait(false);
    }

    private static async Task<List<string>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var names = new List<string>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            names.Add(reader.GetString(0));
        return names;
    }
}
