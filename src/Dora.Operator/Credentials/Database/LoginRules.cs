using System.Globalization;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials.Database;

/// <summary>
/// What follows for a login that Vault gives: what to ask, what to write. Pure. What applications hold stays in their Secret until there
/// is a login that is better, and is ended only when they had <c>overlap</c> to take up the other.
/// </summary>
internal static class LoginRules
{
    /// <summary>Key of a login's Secret: the lease of a dynamic role's login. It opens nothing by itself.</summary>
    public const string Lease = "vault-lease";

    /// <summary>Key of a login's Secret: how many seconds the lease lasted when it was new, by which its end is seen coming.</summary>
    public const string LeaseSeconds = "vault-lease-seconds";

    /// <summary>Key of a login's Secret: the lease of the login before, which applications may still use.</summary>
    public const string LeaseBefore = "vault-lease-before";

    /// <summary>Key of a login's Secret: until when they may.</summary>
    public const string LeaseBeforeUntil = "vault-lease-before-until";

    /// <summary>Vault changes a password a moment after it said that it would.</summary>
    public static readonly TimeSpan Margin = TimeSpan.FromSeconds(5);

    /// <summary>What in the settings cannot be done.</summary>
    public static IEnumerable<Violation> Check(IEngineCluster cluster, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(cluster);
        ArgumentNullException.ThrowIfNull(observed);
        var ns = observed.Stack.Metadata.Namespace ?? "default";
        foreach (var login in cluster.VaultLogins)
        {
            if (observed.Stack.Spec.Credentials is not { Source: CredentialSource.Vault })
                yield return new(login.Field, "needs credentials.source Vault", "set spec.credentials.source and spec.credentials.vault, or remove it");
            if ((login.Role.StaticRole is null) == (login.Role.DynamicRole is null))
                yield return new(login.Field, "names not one role of Vault", "give staticRole or dynamicRole, one of the two");
            // A namespace's name holds no dot: no other namespace's begins so.
            if ((login.Role.StaticRole ?? login.Role.DynamicRole) is { } role && !role.StartsWith($"{ns}.", StringComparison.Ordinal))
                yield return new(login.Field, $"role '{role}' does not begin with '{ns}.'", "name it so in Vault: nobody gets another namespace's logins through the operator");
            var secret = $"secrets/{login.Secret.SecretName}";
            if (Reading(login, observed) is SecretReading.Unreadable unreadable)
                yield return new(secret, $"cannot be read: {unreadable.Reason}", "give the operator the right to get it; Vault is not asked meanwhile", "CredentialUnreadable");
            else if (!Ours(login, observed))
                yield return new(secret, "exists and is not of this stack", "rename the role, or remove the Secret", "ObjectCollision");
        }
    }

    /// <summary>What to ask Vault now. While a stack is paused only leases are kept alive.</summary>
    public static LoginQuestion? Next(VaultLogin login, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(login);
        ArgumentNullException.ThrowIfNull(observed);
        if (Reading(login, observed) is SecretReading.Unreadable || !Ours(login, observed) || observed.Stack.Metadata.DeletionTimestamp is not null)
            return null;
        var known = observed.Logins.GetValueOrDefault(login.Secret.SecretName);
        var question = login.Role.StaticRole is not null ? Read(known, observed.Now) : Leased(known, Found(login, observed), observed.Now);
        return question is not { } ask || (observed.Stack.Spec.Paused && ask.What != LoginAsk.Renew) ? null : new(login, ask.What, ask.Lease, Usual(Found(login, observed)), known);
    }

    /// <summary>What to write now.</summary>
    public static PlanStep? Step(string engine, VaultLogin login, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(login);
        ArgumentNullException.ThrowIfNull(observed);
        var reading = Reading(login, observed);
        var secret = Found(login, observed);
        var known = observed.Logins.GetValueOrDefault(login.Secret.SecretName);
        if (reading is SecretReading.Unreadable || !Ours(login, observed) || known is null)
            return null;
        var held = secret?.Fields.GetValueOrDefault(Lease);
        if (known.Offer is { } offer && Fits(login, offer) && observed.Now < offer.Until && (offer.Lease is null ? Differs(login, secret, offer) : offer.Lease != held))
        {
            var fields = CredentialStore.Fields(login.Secret, offer.Login).ToDictionary(pair => pair.Key, string? (pair) => pair.Value, StringComparer.Ordinal);
            var until = observed.Now + RotationWish.Of(observed.Stack).Overlap;
            fields[Lease] = offer.Lease;
            fields[LeaseSeconds] = offer.Lease is null ? null : ((long)offer.Usual.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            fields[LeaseBefore] = offer.Lease is null ? null : held;
            fields[LeaseBeforeUntil] = offer.Lease is null || held is null ? null : until.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
            return Write(secret is null ? "it is new" : "Vault gave another login", fields);
        }

        return secret?.Fields.GetValueOrDefault(LeaseBefore) is { Length: > 0 } before && known.Revoked == before
            ? Write("the login before has ended", new Dictionary<string, string?> { [LeaseBefore] = null, [LeaseBeforeUntil] = null })
            : null;

        PlanStep.WriteLogin Write(string reason, IReadOnlyDictionary<string, string?> fields) =>
            new(engine, login.Secret.SecretName, secret?.Meta.ResourceVersion, reason) { Content = new(fields, new Dictionary<string, string?>()) };
    }

    /// <summary>Condition CredentialsCurrent with what stands against logins; what stands against passwords comes first.</summary>
    public static Condition? Condition(Condition? passwords, StackPlan plan, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (passwords is not { Status: Conditions.True })
            return passwords;
        var problems = plan.Engines.SelectMany(engine => engine.Cluster.VaultLogins).Select(login => Problem(login, observed)).OfType<(string Status, string Reason, string Message)>().ToList();
        if (problems.Count == 0)
            return passwords;
        var worst = problems.Find(problem => problem.Status == Conditions.False) is { Reason: not null } wrong ? wrong : problems[0];
        return passwords with { Status = worst.Status, Reason = worst.Reason, Message = StackStatus.Cut(string.Join(" | ", problems.Where(problem => problem.Reason == worst.Reason).Select(problem => problem.Message).Distinct())) };
    }

    /// <summary>What stands against a login being current; null: nothing.</summary>
    public static (string Status, string Reason, string Message)? Problem(VaultLogin login, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(login);
        ArgumentNullException.ThrowIfNull(observed);
        var name = login.Secret.SecretName;
        var known = observed.Logins.GetValueOrDefault(name);
        var secret = Found(login, observed);
        var ended = secret?.Fields.GetValueOrDefault(Lease) is { } held && known?.Lease is { } lease && lease.Id == held && lease.Ends <= observed.Now;
        if (known?.Problem is { } problem)
            return (problem.Whole && !ended ? Conditions.Unknown : Conditions.False, problem.Reason, $"{problem.Message}; {(secret is null ? $"Secret {name} waits for it" : ended ? $"the lease of the login in Secret {name} has ended: applications cannot log in with it" : $"Secret {name} keeps the last login")}");
        if (known?.Offer is { } offer && !Fits(login, offer))
            return (Conditions.False, "CredentialInvalid", $"Vault's static role {login.Role.StaticRole} is of the user '{offer.Login.Username}', and {login.Field} declares '{login.Username}': make it of that user");
        return secret is null ? (Conditions.False, "CredentialPending", $"Secret {name} is not made from Vault's login yet") : null;
    }

    private static (LoginAsk What, string? Lease)? Read(LoginReading? known, DateTimeOffset now) =>
        known?.Offer is { } offer && now < offer.Until ? null : (LoginAsk.Read, null);

    private static (LoginAsk What, string? Lease)? Leased(LoginReading? known, SecretReading.Found? secret, DateTimeOffset now)
    {
        var held = secret?.Fields.GetValueOrDefault(Lease);
        // What was given is written first, unless that took too long.
        if (known?.Offer is { Lease: { } given, Until: var until } && given != held && now < until)
            return null;
        if (string.IsNullOrEmpty(held))
            return (LoginAsk.Take, null);
        // Another process of the operator made it: how long it lasts is learnt by renewing it.
        if (known?.Lease is not { } lease || lease.Id != held)
            return (LoginAsk.Renew, held);
        if (lease.Ends <= now || (lease.Last && (lease.Renewable || now >= lease.RenewAt)))
            return (LoginAsk.Take, null);
        if (now >= lease.RenewAt)
            return (LoginAsk.Renew, held);
        return secret!.Fields.GetValueOrDefault(LeaseBefore) is { Length: > 0 } before && known.Revoked != before && Until(secret) <= now ? (LoginAsk.Revoke, before) : null;
    }

    private static TimeSpan Usual(SecretReading.Found? secret) =>
        long.TryParse(secret?.Fields.GetValueOrDefault(LeaseSeconds), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : TimeSpan.Zero;

    // What cannot be read is over.
    private static DateTimeOffset Until(SecretReading.Found secret) =>
        DateTimeOffset.TryParse(secret.Fields.GetValueOrDefault(LeaseBeforeUntil), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var until) ? until : DateTimeOffset.MinValue;

    private static bool Fits(VaultLogin login, LoginOffer offer) => login.Username is null || login.Username == offer.Login.Username;

    private static bool Differs(VaultLogin login, SecretReading.Found? secret, LoginOffer offer) =>
        secret is null || secret.Fields.ContainsKey(Lease) || CredentialStore.Fields(login.Secret, offer.Login).Any(pair => !VaultRules.Same(secret.Fields.GetValueOrDefault(pair.Key) ?? "", pair.Value));

    private static SecretReading? Reading(VaultLogin login, StackObservation observed) => observed.Credentials.GetValueOrDefault(login.Secret.SecretName);

    private static SecretReading.Found? Found(VaultLogin login, StackObservation observed) => Reading(login, observed) as SecretReading.Found;

    private static bool Ours(VaultLogin login, StackObservation observed) =>
        Found(login, observed) is not { } secret || CertificateSecrets.IsOf(StackPlanner.Context(observed.Stack, observed.Images, observed.Capabilities), secret);
}
