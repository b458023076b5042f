using System.Globalization;
using Dora.Engines.Rendering;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>
/// How PgBouncer learns a role's verifier: by a function that it may call and nothing else. The function runs with the rights of a
/// role that cannot log in and can read those columns only, so that not even a fault in it gives a superuser's rights.
/// </summary>
internal static class PoolerLookup
{
    private const string Body =
        """
        CREATE OR REPLACE FUNCTION pooler.user_lookup(wanted text, OUT uname text, OUT phash text) RETURNS SETOF record
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
          SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid
          WHERE rolname = wanted AND rolcanlogin AND NOT rolsuper AND NOT rolreplication AND rolname NOT IN ('pooler', 'pooler.b', 'rewind', 'rewind.b')
            AND (rolvaliduntil IS NULL OR rolvaliduntil > now())
        $function$
        """;

    // Said in this order; the comment comes last and says that all of it is done.
    private static readonly string[] _statements =
    [
        "CREATE SCHEMA IF NOT EXISTS pooler",
        // Whoever owns the database could have made the schema before.
        "ALTER SCHEMA pooler OWNER TO CURRENT_USER",
        "REVOKE ALL ON SCHEMA pooler FROM PUBLIC",
        $"GRANT SELECT (rolname, rolpassword, rolcanlogin, rolsuper, rolreplication, rolvaliduntil) ON pg_catalog.pg_authid TO {PostgresPlan.PoolerLookup}",
        "DROP FUNCTION IF EXISTS pooler.user_lookup(text)",
        Body,
        "REVOKE ALL ON FUNCTION pooler.user_lookup(text) FROM PUBLIC",
        $"ALTER FUNCTION pooler.user_lookup(text) OWNER TO {PostgresPlan.PoolerLookup}",
        $"GRANT EXECUTE ON FUNCTION pooler.user_lookup(text) TO {PostgresPlan.PoolerUser}",
        $"GRANT USAGE ON SCHEMA pooler TO {PostgresPlan.PoolerUser}",
    ];

    private static string Mark { get; } = PodDefaults.Hash(_statements);

    /// <summary>Whether the function is there as written here.</summary>
    public static async Task<bool> IsThereAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            SELECT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = 'pooler' AND p.proname = 'user_lookup' AND p.prosecdef AND pg_get_userbyid(p.proowner) = $1 AND obj_description(p.oid, 'pg_proc') = $2)
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = PostgresPlan.PoolerLookup });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = Mark });
        return (bool)(await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false))!;
    }

    /// <summary>Makes the function in the database that the source leads to; all of it or nothing.</summary>
    public static async Task SetAsync(string name, NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        await using var connection = await database.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        string[] last = [$"GRANT CONNECT ON DATABASE {PostgresRoles.Quote(name)} TO {PostgresPlan.PoolerUser}", string.Create(CultureInfo.InvariantCulture, $"COMMENT ON FUNCTION pooler.user_lookup(text) IS '{Mark}'")];
        foreach (var statement in _statements.Concat(last))
        {
            await using var command = new NpgsqlCommand(statement, connection, transaction);
            await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        }

        await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
    }
}
