namespace Dora.Engines.Postgres;

/// <summary>Names of what is missing, <c>Name/subject</c>, by which a probe tells the next pass what to say.</summary>
internal static class PostgresNeeds
{
    public const string SetRole = "SetRole";
    public const string EndLogin = "EndLogin";
    public const string SetDatabase = "SetDatabase";
    public const string CreateExtension = "CreateExtension";
    public const string SetLookup = "SetLookup";
    public const string SetLogins = "SetLogins";

    /// <summary>What is declared and not there; in the order in which it can be brought about: a database needs its owner. Pure.</summary>
    public static IReadOnlyList<string> Of(PostgresPlan plan, DeclaredState state, Func<RolePlan, string?> password)
    {
        var needs = new List<string>();
        // A role can be given rights only of one that exists.
        foreach (var role in plan.RolesInOrder.Where(role => !IsAsDeclared(role, state, password)))
            needs.Add($"{SetRole}/{role.Name}");
        foreach (var role in state.Roles.Where(role => role is { Declared: true, Login: true } && plan.Roles.All(wanted => wanted.Name != role.Name)))
            needs.Add($"{EndLogin}/{role.Name}");
        foreach (var database in plan.Databases)
        {
            var found = state.Databases.FirstOrDefault(other => other.Name == database.Name);
            if (found is null || found.Owner != database.Owner)
                needs.Add($"{SetDatabase}/{database.Name}");
            else if (found.Extensions is { } have)
            {
                if (plan.Pooler is not null && !found.Lookup)
                    needs.Add($"{SetLookup}/{database.Name}");
                needs.AddRange(database.Extensions.Except(have).Intersect(state.Available).Select(extension => $"{CreateExtension}/{database.Name}/{extension}"));
            }
        }

        return needs;
    }

    /// <summary>The password that a role shall have; null for one without.</summary>
    public static string? Password(RolePlan role, EngineTarget target) =>
        role.Secret is null ? null : target.Logins(role.Secret, role.Name).FirstOrDefault(login => login.Username == role.Name)?.Password;

    /// <summary>A declared extension that the image does not hold, for people; null when there is none.</summary>
    public static string? Problem(PostgresPlan plan, DeclaredState state) => plan.Databases
        .SelectMany(database => database.Extensions)
        .Except(state.Available)
        .Select(extension => $"extension '{extension}' is not in the image of PostgreSQL {plan.Version}")
        .FirstOrDefault();

    /// <summary>Why a command is said, for the event.</summary>
    public static string Reason(string need)
    {
        var (name, subject) = Split(need);
        return name switch
        {
            SetRole => $"role '{subject}' is not as declared",
            EndLogin => $"role '{subject}' is not declared any more: it keeps what it owns and can no longer log in",
            EngineCommand.ReloadCertificate => $"{subject} shall check the member that it follows: all of them speak TLS now",
            SetLogins => $"who may log in as '{subject}' is not as in its Secret",
            SetLookup => $"the pooler cannot look up who may log in to database '{subject}'",
            SetDatabase => $"database '{subject}' is not as declared",
            _ => $"extension '{subject[(subject.IndexOf('/', StringComparison.Ordinal) + 1)..]}' is declared and does not exist",
        };
    }

    /// <summary>Name and subject of a need.</summary>
    public static (string Name, string Subject) Split(string need)
    {
        var slash = need.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (need, "") : (need[..slash], need[(slash + 1)..]);
    }

    private static bool IsAsDeclared(RolePlan wanted, DeclaredState state, Func<RolePlan, string?> password) =>
        state.Roles.FirstOrDefault(role => role.Name == wanted.Name) is { } found
        && found.Login == wanted.Login
        && found.ConnectionLimit == wanted.ConnectionLimit
        && found.ReadsAllRows == wanted.ReadsAllRows
        && found is { Privileged: false, Declared: true }
        && found.InRoles.Order(StringComparer.Ordinal).SequenceEqual(wanted.InRoles.Order(StringComparer.Ordinal))
        && (password(wanted) is not { } secret || PostgresSql.IsVerifierOf(wanted.Name, secret, found.Verifier));
}

/// <summary>What the server holds of roles and databases.</summary>
/// <param name="Roles">Roles, without the predefined ones.</param>
/// <param name="Databases">Databases that are wanted, as far as they exist.</param>
/// <param name="Available">Extensions that the image holds.</param>
internal sealed record DeclaredState(IReadOnlyList<RoleState> Roles, IReadOnlyList<DatabaseState> Databases, IReadOnlyList<string> Available);

/// <summary>A role as it is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Login">Whether it may log in.</param>
/// <param name="ConnectionLimit">Connections at most; -1 for no limit.</param>
/// <param name="ReadsAllRows">Whether row security does not hide rows from it.</param>
/// <param name="Privileged">Whether it is a superuser, or may make roles or databases or replicate.</param>
/// <param name="InRoles">Roles whose rights it has.</param>
/// <param name="Declared">Whether it carries the operator's mark.</param>
/// <param name="Verifier">What the server keeps of its password; a secret.</param>
internal sealed record RoleState(string Name, bool Login, int ConnectionLimit, bool ReadsAllRows, bool Privileged, IReadOnlyList<string> InRoles, bool Declared, string? Verifier)
{
    /// <inheritdoc/>
    public override string ToString() => Name;
}

/// <summary>A database as it is.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Owner">Its owner.</param>
/// <param name="Extensions">Its extensions; null: not asked, or no answer.</param>
/// <param name="Lookup">Whether the pooler can look up passwords in it.</param>
internal sealed record DatabaseState(string Name, string Owner, IReadOnlyList<string>? Extensions = null, bool Lookup = false);
