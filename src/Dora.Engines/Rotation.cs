namespace Dora.Engines;

/// <summary>A password that changes while servers run.</summary>
/// <param name="SecretName">The Secret that its users read; of applications, its keys <c>username</c> and <c>password</c> open the door.</param>
/// <param name="Username">The first user's name.</param>
/// <param name="Second">
/// Name of the second user, with the same rights, that takes turns with the first; null where one user may have two passwords.
/// </param>
/// <param name="Key">Key of the password.</param>
public sealed record RotatingRole(string SecretName, string Username, string? Second = null, string Key = RotatingRole.Password)
{
    /// <summary>The usual key.</summary>
    public const string Password = "password";

    /// <summary>How long both passwords are accepted at least, whatever is asked: who reads it from a mounted file learns late of another one.</summary>
    public TimeSpan LeastOverlap { get; init; }

    /// <summary>
    /// Whether servers take the password from the Secret by themselves, and know one at a time. Then nobody but the operator may use it,
    /// who comes with either until all have the new one.
    /// </summary>
    public bool TakenFromSecret { get; init; }

    /// <summary>Key of the user's name, where two users take turns.</summary>
    public string UsernameKey => Key == Password ? CredentialRequest.Username : $"{(Key.EndsWith("-password", StringComparison.Ordinal) ? Key[..^9] : Key)}{CredentialRequest.UsernameSuffix}";

    /// <summary>What tells it from others: the Secret, and the key where that holds several passwords.</summary>
    public string Id => Key == Password ? SecretName : $"{SecretName}.{Key}";

    /// <summary>The name of a second user. No engine lets a stack declare a user with a dot.</summary>
    public static string SecondOf(string username) => $"{username}.b";

    /// <summary>The user that gets the next password.</summary>
    public string Next(string active) => Second is null ? Username : active == Second ? Username : Second;

    /// <summary>A name that somebody gives, or that of the first user where it is none of the role's.</summary>
    public string Known(string? name) => Usernames.FirstOrDefault(known => known == name) ?? Username;

    /// <summary>All names that it may log in with.</summary>
    public IEnumerable<string> Usernames => Second is null ? [Username] : [Username, Second];
}

/// <summary>Passwords that do not change while servers run.</summary>
/// <param name="SecretName">Their Secret.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="Key">Its key, where other keys of the Secret do change; or null.</param>
public sealed record StaticRole(string SecretName, string Reason, string? Key = null)
{
    /// <summary>What tells it from others, as of <see cref="RotatingRole.Id"/>.</summary>
    public string Id => Key is null ? SecretName : $"{SecretName}.{Key}";
}

/// <summary>A user and its password. Its text form does not hold the password.</summary>
/// <param name="Username">Who.</param>
/// <param name="Password">Never logged.</param>
public sealed record Login(string Username, string Password)
{
    /// <inheritdoc/>
    public override string ToString() => Username;
}

/// <summary>What a server said to a login.</summary>
public enum LoginAnswer
{
    /// <summary>Neither yes nor no: it did not answer, or refused for another reason than the password. Proves nothing.</summary>
    Unknown,

    /// <summary>It let the user in.</summary>
    Accepted,

    /// <summary>It says that user or password is wrong.</summary>
    Refused,
}

/// <summary>What one member said to a login.</summary>
/// <param name="Pod">The member.</param>
/// <param name="Answer">Its answer.</param>
public sealed record LoginFinding(string Pod, LoginAnswer Answer);
