using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>What the primary is asked over SQL.</summary>
internal static class PostgresQueries
{
    /// <summary>Findings; a server that does not answer, or refuses the password, is one.</summary>
    public static async Task<SqlFindings> AskAsync(PostgresPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        var findings = await AskAsync(plan, target, member, null, cancellationToken).ConfigureAwait(false);
        foreach (var entry in findings.Refused ? target.Ways(PostgresOwnLogins.Superuser(plan)).Skip(1) : [])
        {
            if (await AskAsync(plan, target, member, entry, cancellationToken).ConfigureAwait(false) is { Refused: false } found)
                return found with { Entry = entry };
        }

        return findings;
    }

    private static async Task<SqlFindings> AskAsync(PostgresPlan plan, EngineTarget target, MemberPod member, Login? login, CancellationToken cancellationToken)
    {
        try
        {
            await using var source = PostgresSql.Source(plan, target, member, login: login);
            var findings = await AskAsync(plan, source, cancellationToken).ConfigureAwait(false);
            if (findings.Problem is null && PgBackRest.Serves(plan))
                findings = findings with { Archiver = await PostgresArchive.AskAsync(source, cancellationToken).ConfigureAwait(false) };
            // Databases may belong to the application's role.
            return findings is { Problem: null, AppDatabase: true }
                ? findings with { Declared = await PostgresRoles.StateAsync(plan, source, database => PostgresSql.Source(plan, target, member, database, login), cancellationToken).ConfigureAwait(false) }
                : findings;
        }
        catch (PostgresException exception) when (exception.SqlState is PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification)
        {
            return new(0, true, $"the operator's password is refused; Secret {plan.Names.InternalSecret} does not belong to these volumes", Refused: true);
        }
        catch (NpgsqlException exception) when (exception.InnerException is AuthenticationException)
        {
            return new(0, true, "the primary's certificate is not the one expected");
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException or IOException or InvalidOperationException or CryptographicException)
        {
            return new(0, true, "the primary does not answer SQL");
        }
    }

    /// <summary>What the server says of the parameters that are wanted, and of those that matter for the order of restarts.</summary>
    public static async Task<IReadOnlyList<ParameterFacts>> ParametersAsync(NpgsqlDataSource source, PostgresPlan plan, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand("SELECT name, vartype, unit, min_val, max_val, enumvals, context, setting FROM pg_settings WHERE name = ANY($1)");
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. plan.Parameters.Keys.Union(PostgresParameters.PrimaryFirst.Keys)] });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
        var facts = new List<ParameterFacts>();
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            facts.Add(new(reader.GetString(0), reader.GetString(1), Text(2), Text(3), Text(4), reader.IsDBNull(5) ? null : reader.GetFieldValue<string[]>(5), reader.GetString(6), Text(7)));
        return facts;

        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    /// <summary>What a member has loaded, by its marks.</summary>
    public static async Task<LoadedMarks> MarksAsync(PostgresPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            await using var source = PostgresSql.Source(plan, target, member);
            await using var command = source.CreateCommand("""
                SELECT current_setting($1, true), current_setting($2, true),
                       (SELECT sum(pg_database_size(oid)) FROM pg_database)::bigint + (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())::bigint
                """);
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = PostgresParameters.Mark });
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = PatroniTls.Mark });
            await using var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            return new(reader.IsDBNull(0) ? null : reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetInt64(2));
        }
        catch (Exception exception) when (exception is NpgsqlException or TimeoutException or IOException or OperationCanceledException or InvalidOperationException or CryptographicException)
        {
            return default;
        }
    }

    private static async Task<SqlFindings> AskAsync(PostgresPlan plan, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(
            """
            SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int,
                   EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AND EXISTS (SELECT FROM pg_database WHERE datname = $2),
                   pg_is_in_recovery(),
                   (SELECT min(('x' || substr(name, 9, 8))::bit(32)::bigint * 4294967296 + ('x' || substr(name, 17, 8))::bit(32)::bigint * (SELECT setting::bigint FROM pg_settings WHERE pg_settings.name = 'wal_segment_size'))
                    FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$')
            """);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = PostgresPlan.AppUser });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = PostgresPlan.AppDatabase });
        SqlFindings findings;
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false))
        {
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            findings = new(reader.GetInt32(0), reader.GetBoolean(1), reader.GetBoolean(2) ? "the primary is still in recovery" : null, OldestWal: reader.IsDBNull(3) ? null : reader.GetInt64(3));
        }

        return findings.Problem is not null ? findings : findings with { Parameters = await ParametersAsync(source, plan, cancellationToken).ConfigureAwait(false) };
    }
}

/// <summary>What a member has loaded.</summary>
/// <param name="Parameters">Value of <see cref="PostgresParameters.Mark"/>; null when it has none, or does not say.</param>
/// <param name="Peers">Value of <see cref="PatroniTls.Mark"/>, likewise.</param>
/// <param name="DataBytes">Bytes of its databases and of its WAL; null when it does not say.</param>
internal readonly record struct LoadedMarks(string? Parameters, string? Peers, long? DataBytes = null);

/// <summary>What the primary said over SQL.</summary>
/// <param name="Connections">Client connections.</param>
/// <param name="AppDatabase">Whether the application's role and database exist.</param>
/// <param name="Problem">What stands against asking more.</param>
/// <param name="Parameters">Facts of parameters; null: not asked.</param>
/// <param name="Declared">Roles and databases; null: not asked.</param>
/// <param name="OldestWal">Where the WAL begins that the primary still has.</param>
/// <param name="Archiver">What it says of archiving; null: not asked, or it does not archive yet.</param>
/// <param name="Refused">Whether it refused the operator.</param>
/// <param name="Entry">The login that it let the operator in with; null: the one in the Secret.</param>
internal sealed record SqlFindings(int Connections, bool AppDatabase, string? Problem, IReadOnlyList<ParameterFacts>? Parameters = null, DeclaredState? Declared = null, long? OldestWal = null, ArchiverState? Archiver = null, bool Refused = false, Login? Entry = null);
