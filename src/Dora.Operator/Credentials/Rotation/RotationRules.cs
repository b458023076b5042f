using Dora.Api;
using Dora.Engines;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>The next step of the change of one password.</summary>
internal enum RotationStep
{
    /// <summary>Keep a new password where only the operator reads it.</summary>
    Prepare,

    /// <summary>Tell the servers to accept both.</summary>
    Set,

    /// <summary>Log in with the new one, everywhere.</summary>
    Verify,

    /// <summary>Write it to Vault, which is the authority, if nobody else was there meanwhile.</summary>
    Publish,

    /// <summary>Give it to the applications.</summary>
    Flip,

    /// <summary>Note that they have it: from here on the overlap counts.</summary>
    Overlap,

    /// <summary>See that both still open every server: one that started anew may know only one.</summary>
    Hold,

    /// <summary>Tell the servers to refuse the old one.</summary>
    Retire,

    /// <summary>Log in with the old one, everywhere, and be refused.</summary>
    Prove,

    /// <summary>Somebody wrote another password to Vault: begin with that one in the place of a new one.</summary>
    Follow,

    /// <summary>The record is lost, or what it wanted is not wanted any more: have servers accept what applications hold, and nothing else.</summary>
    Mend,
}

/// <summary>What Vault says of a password, where Vault is the authority.</summary>
/// <param name="Login">What it holds; null: it does not say, or nothing that can be followed.</param>
/// <param name="Version">Version of that.</param>
internal sealed record VaultWord(Login? Login, int Version = 0);

/// <summary>What is asked of the change of a password.</summary>
/// <param name="Interval">How old a password becomes; null: as old as it will.</param>
/// <param name="Overlap">How long both are accepted.</param>
/// <param name="Asked">The annotation's value, as a record has it; or null.</param>
/// <param name="Maintenance">When what is due by its age may begin; null: at any time.</param>
internal sealed record RotationWish(TimeSpan? Interval, TimeSpan Overlap, string? Asked, MaintenanceSettings? Maintenance = null)
{
    /// <summary>The wish of a stack.</summary>
    public static RotationWish Of(ComplianceStack stack) => new(
        RotationSettings.Parse(stack.Spec.Credentials?.Rotation?.Interval),
        RotationSettings.Parse(stack.Spec.Credentials?.Rotation?.Overlap) ?? RotationSettings.Parse(RotationSettings.DefaultOverlap)!.Value,
        RotationRecord.Mark(stack.Metadata.Annotation(Labels.RotateCredentials)),
        stack.Spec.Maintenance);
}

/// <summary>
/// Decides the next step of the change of one password. Pure. One rule stands above all: what stands in the applications' Secret is
/// accepted by the servers at every moment, so nothing goes into the Secret before servers accept it, and nothing is refused that
/// still stands there. Where servers take it from that Secret, the operator alone uses it, and comes with both meanwhile.
/// </summary>
internal static class RotationRules
{
    /// <summary>The next step, or null when there is nothing to do.</summary>
    /// <param name="record">What is kept; null: nothing.</param>
    /// <param name="secret">What applications hold.</param>
    /// <param name="lost">A change was under way, and its record is gone.</param>
    /// <param name="created">When the Secret was made.</param>
    /// <param name="wish">What is asked.</param>
    /// <param name="authority">What Vault says; null: the operator alone makes passwords.</param>
    /// <param name="serving">Whether every member of the engine serves as asked: each has to be told, and to answer.</param>
    /// <param name="now">The time.</param>
    /// <param name="taken">Whether servers take the password from the Secret: see <see cref="RotatingRole.TakenFromSecret"/>.</param>
    public static RotationStep? Next(RotationRecord? record, Login secret, bool lost, DateTimeOffset? created, RotationWish wish, VaultWord? authority, bool serving, DateTimeOffset now, bool taken = false)
    {
        ArgumentNullException.ThrowIfNull(secret);
        ArgumentNullException.ThrowIfNull(wish);
        if (record is null && lost)
            return serving ? RotationStep.Mend : null;
        if (record is not { Open: true })
            return serving ? Begin(secret, authority, IsDue(record, created, wish, now)) : null;
        var flipped = secret == record.Next;
        // Somebody wrote a third one: of what the servers accept nothing is known but by trying.
        if (!flipped && secret != record.Old)
            return serving ? Begin(secret, authority, due: authority is null) ?? (authority?.Login is null ? null : RotationStep.Mend) : null;
        // Theirs wins: what only servers know yet of ours is dropped.
        if (!flipped && record.Phase is RotationPhase.Prepared or RotationPhase.Set or RotationPhase.Verified && authority?.Login is { } theirs && theirs != record.Next && (record.Version is { } followed ? authority.Version != followed : theirs.Password != record.Old!.Password))
            return !serving ? null : theirs.Password == secret.Password ? RotationStep.Mend : RotationStep.Follow;
        if (taken)
            return Taken(record, flipped, wish, authority, serving, now);
        return record.Phase switch
        {
            RotationPhase.Prepared when serving => RotationStep.Set,
            RotationPhase.Set when serving => RotationStep.Verify,
            RotationPhase.Verified when flipped => RotationStep.Overlap,
            RotationPhase.Verified when serving && (authority is null || authority.Login == record.Next) => RotationStep.Flip,
            RotationPhase.Verified when serving && authority!.Login is not null => RotationStep.Publish,
            // Somebody put the old one back: it must not be refused while it stands there.
            RotationPhase.Overlapping when !flipped => serving ? RotationStep.Flip : null,
            RotationPhase.Overlapping when serving && now >= record.Since + wish.Overlap => RotationStep.Retire,
            RotationPhase.Overlapping => RotationStep.Hold,
            RotationPhase.Retired when !flipped => serving ? RotationStep.Set : null,
            RotationPhase.Retired when serving => RotationStep.Prove,
            _ => null,
        };
    }

    // The Secret goes first here: both are kept, so that whoever took it up and whoever did not are open to the operator.
    private static RotationStep? Taken(RotationRecord record, bool flipped, RotationWish wish, VaultWord? authority, bool serving, DateTimeOffset now) => record.Phase switch
    {
        RotationPhase.Prepared when flipped => RotationStep.Overlap,
        RotationPhase.Prepared when serving && (authority is null || authority.Login == record.Next) => RotationStep.Flip,
        RotationPhase.Prepared when serving && authority!.Login is not null => RotationStep.Publish,
        RotationPhase.Overlapping when !flipped => serving ? RotationStep.Flip : null,
        RotationPhase.Overlapping when serving && now >= record.Since + wish.Overlap => RotationStep.Prove,
        _ => null,
    };

    /// <summary>Whether a new password is to be made now.</summary>
    public static bool IsDue(RotationRecord? record, DateTimeOffset? created, RotationWish wish, DateTimeOffset now) =>
        (wish.Asked is not null && wish.Asked != record?.Asked) || (IsOld(record, created, wish, now) && wish.Maintenance?.IsOpen(now) != false);

    /// <summary>Whether a password is older than it shall become.</summary>
    public static bool IsOld(RotationRecord? record, DateTimeOffset? created, RotationWish wish, DateTimeOffset now) => DueAt(record, created, wish) <= now;

    /// <summary>When the next change is due; null: only on demand.</summary>
    public static DateTimeOffset? DueAt(RotationRecord? record, DateTimeOffset? created, RotationWish wish) =>
        wish.Interval is { } interval && (record?.RotatedAt ?? created) is { } last ? last + interval : null;

    // Whoever writes to Vault chooses the password; which of two users has it is the operator's to say, and is written beside it.
    private static RotationStep? Begin(Login secret, VaultWord? authority, bool due) => authority switch
    {
        null => due ? RotationStep.Prepare : null,
        { Login: null } => null,
        { Login: { } login } when login.Password != secret.Password => RotationStep.Follow,
        { Login: { } login } when login != secret => RotationStep.Publish,
        _ => due ? RotationStep.Prepare : null,
    };

    /// <summary>What in the settings cannot be done; CEL says it too.</summary>
    public static IEnumerable<Violation> Check(ComplianceStack stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        if (stack.Spec.Credentials?.Rotation is not { } settings)
            yield break;
        const string at = "spec.credentials.rotation";
        var (interval, overlap) = (RotationSettings.Parse(settings.Interval), RotationSettings.Parse(settings.Overlap));
        if (settings.Interval is not null && (interval is null || settings.Interval[^1] == 'm'))
            yield return new($"{at}.interval", $"'{settings.Interval}' is no interval", "use hours, days or weeks, such as 30d");
        if (overlap is null || settings.Overlap[^1] == 'w')
            yield return new($"{at}.overlap", $"'{settings.Overlap}' is no time", "use minutes, hours or days, such as 1h");
        else if (overlap >= interval)
            yield return new($"{at}.overlap", "is not shorter than the interval", "choose a shorter one: else an old password would outlive its successor");
    }
}
