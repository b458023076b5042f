using Dora.Engines;

namespace Dora.Operator.Credentials.Database;

/// <summary>What is known of a login that Vault gives; in memory only. Its text form holds no password.</summary>
/// <param name="Offer">The login that Vault gave last to this process, or null.</param>
/// <param name="Lease">The lease that was made or renewed last, or null.</param>
/// <param name="Revoked">The lease that was ended last, or null.</param>
/// <param name="Problem">Why the last question was not answered, or null.</param>
internal sealed record LoginReading(LoginOffer? Offer = null, LeaseState? Lease = null, string? Revoked = null, VaultProblem? Problem = null)
{
    /// <summary>The same after a question that was not answered.</summary>
    public static LoginReading After(LoginReading? before, VaultProblem? problem) => (before ?? new()) with { Problem = problem };
}

/// <summary>A login from Vault.</summary>
/// <param name="Login">User and password.</param>
/// <param name="Lease">Its lease; null for that of a static role.</param>
/// <param name="Until">When Vault changes the password of a static role, or the lease ends unless it is renewed.</param>
/// <param name="Usual">How long such a lease lasts; zero for a static role.</param>
internal sealed record LoginOffer(Login Login, string? Lease, DateTimeOffset Until, TimeSpan Usual);

/// <summary>How long a lease lasts.</summary>
/// <param name="Id">Its id.</param>
/// <param name="From">When that was said.</param>
/// <param name="Duration">From then on.</param>
/// <param name="Usual">How long it lasted when it was new.</param>
/// <param name="Renewable">Whether it can be made longer.</param>
internal sealed record LeaseState(string Id, DateTimeOffset From, TimeSpan Duration, TimeSpan Usual, bool Renewable)
{
    /// <summary>When it ends.</summary>
    public DateTimeOffset Ends => From + Duration;

    /// <summary>Whether Vault no longer makes it as long as it was: the limit of its role is near.</summary>
    public bool Last => !Renewable || Duration < Usual * 0.9;

    /// <summary>When two thirds of it are over.</summary>
    public DateTimeOffset RenewAt => From + (Duration * 2 / 3);
}

/// <summary>What to ask Vault about a login.</summary>
/// <param name="Login">The login.</param>
/// <param name="What">What.</param>
/// <param name="Lease">The lease that it is about, or null.</param>
/// <param name="Usual">How long that lasted when it was new.</param>
/// <param name="Before">What is known.</param>
internal sealed record LoginQuestion(VaultLogin Login, LoginAsk What, string? Lease, TimeSpan Usual, LoginReading? Before);

/// <summary>A kind of question.</summary>
internal enum LoginAsk
{
    /// <summary>Read the password of a static role.</summary>
    Read,

    /// <summary>Have a login made.</summary>
    Take,

    /// <summary>Make a lease longer.</summary>
    Renew,

    /// <summary>End a lease, and the login with it.</summary>
    Revoke,
}
