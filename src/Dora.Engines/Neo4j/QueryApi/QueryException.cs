namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>What an error of Neo4j means for the operator.</summary>
internal enum QueryErrorKind
{
    /// <summary>The server refused; saying the same again changes nothing.</summary>
    Rejected,

    /// <summary>Name or password are wrong.</summary>
    Unauthorized,

    /// <summary>The password is right and must be changed before anything else.</summary>
    PasswordChangeRequired,

    /// <summary>Too many wrong passwords; the server refuses even the right one for a few seconds.</summary>
    TooManyAttempts,

    /// <summary>Another member leads this database.</summary>
    NotLeader,

    /// <summary>No such database.</summary>
    DatabaseNotFound,

    /// <summary>Passes by itself: a leader is elected, a database starts.</summary>
    Transient,

    /// <summary>No connection, no answer in time, or the server is starting.</summary>
    Unavailable,

    /// <summary>An answer that the protocol does not know.</summary>
    Malformed,
}

/// <summary>An error of the Query API, by Neo4j's own code where it gave one.</summary>
internal sealed class QueryException : Exception
{
    private const int LongestMessage = 300;

    public QueryException(QueryErrorKind kind, string code, string message, Exception? inner = null)
        : base(code.Length == 0 ? Clean(message) : $"{Clean(code)}: {Clean(message)}", inner) => (Kind, Code) = (kind, code);

    /// <summary>What it means.</summary>
    public QueryErrorKind Kind { get; }

    /// <summary>E.g. <c>Neo.ClientError.Statement.SyntaxError</c>; empty when the server gave none.</summary>
    public string Code { get; }

    /// <summary>The meaning of a code (Neo4j documentation, "Status codes").</summary>
    public static QueryErrorKind KindOf(string code) => code switch
    {
        "Neo.ClientError.Security.Unauthorized" => QueryErrorKind.Unauthorized,
        "Neo.ClientError.Security.CredentialsExpired" => QueryErrorKind.PasswordChangeRequired,
        "Neo.ClientError.Security.AuthenticationRateLimit" => QueryErrorKind.TooManyAttempts,
        "Neo.ClientError.Cluster.NotALeader" or "Neo.ClientError.Cluster.Routing" or "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase" => QueryErrorKind.NotLeader,
        "Neo.ClientError.Database.DatabaseNotFound" => QueryErrorKind.DatabaseNotFound,
        _ => code.StartsWith("Neo.TransientError.", StringComparison.Ordinal) ? QueryErrorKind.Transient : QueryErrorKind.Rejected,
    };

    // What a server writes ends up in logs and in a status: one line, and no more of it than a person reads.
    private static string Clean(string text)
    {
        var kept = text.Length <= LongestMessage ? text : text[..LongestMessage];
        return string.Create(kept.Length, kept, static (target, source) =>
        {
            for (var i = 0; i < source.Length; i++)
                target[i] = char.IsControl(source[i]) || char.IsSurrogate(source[i]) ? ' ' : source[i];
        });
    }
}
