using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Dora.Engines.Postgres;

/// <summary>SQL over the wire, as the superuser.</summary>
internal static class PostgresSql
{
    private const int Iterations = 4096;

    /// <summary>
    /// Connections to a member. One that speaks TLS is reached by its address and checked by its name. Each is made for its use and
    /// not kept, so none outlives a change of trust.
    /// </summary>
    public static NpgsqlDataSource Source(PostgresPlan plan, EngineTarget target, MemberPod member, string database = "postgres", Login? login = null) => Source(
        plan,
        target,
        member.Address ?? throw new InvalidOperationException($"pod {member.Name} has no address"),
        PostgresPlan.Port,
        database,
        member.Encrypted ? PostgresTls.Host(plan, member) : null,
        login);

    /// <summary>The same by an address.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="target">Credentials and trust.</param>
    /// <param name="address">IP address.</param>
    /// <param name="port">TCP port.</param>
    /// <param name="database">Database.</param>
    /// <param name="host">Name that the server's certificate must carry; null: without TLS.</param>
    /// <param name="login">As whom; null: the superuser.</param>
    internal static NpgsqlDataSource Source(PostgresPlan plan, EngineTarget target, string address, int port, string database = "postgres", string? host = null, Login? login = null)
    {
        var builder = new NpgsqlSlimDataSourceBuilder(ConnectionString(login ?? target.Login(PostgresOwnLogins.Superuser(plan)), address, port, database, host is not null)).EnableArrays();
        if (host is null)
            return builder.Build();
        var trust = target.Trust(plan.Names.CertificateSecret);
        return builder.EnableTransportSecurity().UseSslClientAuthenticationOptionsCallback(options =>
        {
            trust.Expect(options, host);
            options.EnabledSslProtocols = PostgresTls.Protocols(plan);
        }).Build();
    }

    private static string ConnectionString(Login login, string address, int port, string database, bool encrypted) => new NpgsqlConnectionStringBuilder
    {
        Host = address,
        Port = port,
        Username = login.Username,
        Password = login.Password,
        Database = database,
        ApplicationName = "dora-operator",
        Timeout = 3,
        CommandTimeout = 5,
        Pooling = false,
        SslMode = encrypted ? SslMode.VerifyFull : SslMode.Disable,
        PersistSecurityInfo = false,
    }.ConnectionString;

    /// <summary>The application's role and database; each step is skipped when it is done already.</summary>
    public static async Task EnsureAppDatabaseAsync(PostgresPlan plan, EngineTarget target, NpgsqlDataSource source, CancellationToken cancellationToken)
    {
        var verifier = ScramVerifier(PostgresPlan.AppUser, target.Credential(plan.Names.AppSecret, "password"));
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
