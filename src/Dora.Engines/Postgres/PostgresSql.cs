using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>SQL over the wire, as the superuser.</summary>
internal static class PostgresSql
{
    private const int Iterations = 4096;

    public static NpgsqlDataSource Source(PostgresPlan plan, EngineTarget target, string address, int port = PostgresPlan.Port, string database = "postgres") => new NpgsqlSlimDataSourceBuilder(new NpgsqlConnectionStringBuilder
    {
        Host = address,
        Port = port,
        Username = PostgresPlan.Superuser,
        Password = target.Credential(plan.Names.InternalSecret, "superuser-password"),
        Database = database,
        ApplicationName = "dora-operator",
        Timeout = 3,
        CommandTimeout = 5,
        Pooling = false,
        SslMode = SslMode.Disable,
        PersistSecurityInfo = false,
    }.ConnectionString).EnableArrays().Build();

    /// <summary>The application's role and database; each step is skipped when it is done already.</summary>
    public static Task EnsureAppDatabaseAsync(PostgresPlan plan, EngineTarget target, string address, CancellationToken cancellationToken) =>
        EnsureAppDatabaseAsync(plan, target, address, PostgresPlan.Port, cancellationToken);

    /// <summary>The same on another port; members always listen on <see cref="PostgresPlan.Port"/>, a server on its own need not.</summary>
    internal static async Task EnsureAppDatabaseAsync(PostgresPlan plan, EngineTarget target, string address, int port, CancellationToken cancellationToken)
    {
        var verifier = ScramVerifier(PostgresPlan.AppUser, target.Credential(plan.Names.AppSecret, "password"));
        await using var source = Source(plan, target, address, port);
        await RunUnlessAsync(source, "SELECT FROM pg_roles WHERE rolname = $1", PostgresPlan.AppUser,
            $"CREATE ROLE \"{PostgresPlan.AppUser}\" LOGIN PASSWORD '{verifier}'", cancellationToken).ConfigureAwait(false);
        await RunUnlessAsync(source, "SELECT FROM pg_database WHERE datname = $1", PostgresPlan.AppDatabase,
            $"CREATE DATABASE \"{PostgresPlan.AppDatabase}\" OWNER \"{PostgresPlan.AppUser}\"", cancellationToken).ConfigureAwait(false);
    }

    private static async Task RunUnlessAsync(NpgsqlDataSource source, string exists, string name, string statement, CancellationToken cancellationToken)
    {
        await using var query = source.CreateCommand(exists);
        query.Parameters.Add(new NpgsqlParameter<string> { TypedValue = name });
        await using (var reader = await query.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                return;
        }

        await using var command = source.CreateCommand(statement);
        await command.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Whether a verifier is the one made of a password. Its salt, which comes from the password, tells at less cost than the rest.
    /// </summary>
    public static bool IsVerifierOf(string role, string password, string? verifier) =>
        verifier?.StartsWith($"SCRAM-SHA-256${Iterations}:{Convert.ToBase64String(Salt(role, password))}$", StringComparison.Ordinal) == true;

    /// <summary>
    /// A SCRAM-SHA-256 verifier (RFC 5803; PostgreSQL documentation, pg_authid), made here so that the server and its log never see
    /// the password. The salt comes from the password itself, which is random: the same password gives the same verifier.
    /// </summary>
    public static string ScramVerifier(string role, string password)
    {
        var secret = Encoding.UTF8.GetBytes(password);
        var salt = Salt(role, password);
        var salted = Rfc2898DeriveBytes.Pbkdf2(secret, salt, Iterations, HashAlgorithmName.SHA256, 32);
        var stored = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8));
        var server = HMACSHA256.HashData(salted, "Server Key"u8);
        return $"SCRAM-SHA-256${Iterations}:{Convert.ToBase64String(salt)}${Convert.ToBase64String(stored)}:{Convert.ToBase64String(server)}";
    }

    private static byte[] Salt(string role, string password) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(password), Encoding.UTF8.GetBytes($"salt of {role}"))[..16];
}
