using System.Net;
using System.Security.Cryptography;
using System.Text;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials;

/// <summary>
/// What follows from what Vault holds. Pure. One rule stands above all: a password is changed in the server before it is changed in
/// the Secret, and while Vault does not answer nothing is changed at all.
/// </summary>
public static class VaultRules
{
    private const string Runs = "what runs keeps running on its Secrets";

    // Of this process only: what is compared is never compared by its own letters.
    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    /// <summary>What is wrong with the settings; CEL says most of it too.</summary>
    public static IEnumerable<Violation> Check(ComplianceStack stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        const string at = "spec.credentials.vault";
        var credentials = stack.Spec.Credentials;
        if (credentials is { Source: CredentialSource.Vault, Vault: null })
            yield return new(at, "is missing", "say which Vault holds the passwords, or choose source Generated");
        if (credentials is not { Vault: { } vault })
            yield break;
        if (credentials.Source != CredentialSource.Vault)
            yield return new(at, $"belongs to source Vault, and the source is {credentials.Source}", "remove it, or choose source Vault");
        foreach (var violation in Check(at, vault.Connection()).Concat(CheckPath($"{at}.mount", vault.Mount)).Concat(CheckPath($"{at}.path", vault.Path)))
            yield return violation;

        // At one place: anywhere would let a namespace that is called as another one's stack read that.
        var ns = stack.Metadata.Namespace ?? "default";
        if (vault.PathOf(ns, stack.Metadata.Name).Split('/').ElementAtOrDefault(1) != ns)
            yield return new($"{at}.path", "does not have the stack's namespace as its second segment", $"choose e.g. dora/{ns}/{stack.Metadata.Name}: nobody reads another namespace's passwords through the operator");
    }

    /// <summary>What is wrong with a connection.</summary>
    /// <param name="at">Path of the settings that give it.</param>
    /// <param name="vault">The connection.</param>
    internal static IEnumerable<Violation> Check(string at, VaultConnection vault)
    {
        if (!Uri.TryCreate(vault.Address, UriKind.Absolute, out var address) || address.PathAndQuery != "/" || address.UserInfo.Length > 0)
            yield return new($"{at}.address", "is no base address", "give scheme, host and port, such as https://vault.vault:8200");
        else if (address.Scheme != Uri.UriSchemeHttps && !(address.Scheme == Uri.UriSchemeHttp && (address.Host == "localhost" || (IPAddress.TryParse(address.Host.Trim('[', ']'), out var ip) && IPAddress.IsLoopback(ip)))))
            yield return new($"{at}.address", "must begin with https://", "over http everybody on the way reads the token and the passwords");
        if (vault is { CaSecret: not null, CaConfigMap: not null })
            yield return new($"{at}.caSecret", "and caConfigMap are both given", "give one of them");
        foreach (var violation in CheckPath($"{at}.authMount", vault.AuthMount))
            yield return violation;
    }

    /// <summary>What is wrong with a path in Vault.</summary>
    internal static IEnumerable<Violation> CheckPath(string field, string? path) => path is not null && path.Split('/').Any(segment => segment is "" or "." or "..")
        ? [new(field, $"'{path}' is no path in Vault", "separate segments by single slashes, without one at either end")]
        : [];

    /// <summary>Why a Secret that is missing cannot be made; null when it can.</summary>
    public static Violation? WhyNotMade(CredentialRequest request, bool data, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(observed);
        var at = $"secrets/{request.SecretName}";
        return observed.Vault.GetValueOrDefault(request.SecretName) switch
        {
            VaultReading.Unavailable problem => new(at, $"is missing, and {problem.Message}", "nothing is generated meanwhile", problem.Reason),
            VaultReading.Gone gone => new(at, $"is missing, and {gone.Path} version {gone.Version} is deleted in Vault", "undelete it there, or write the passwords again", "CredentialMissing"),
            VaultReading.Found found when Lacking(request, found) is { } key => new(at, $"is missing, and key '{key}' of {found.Path} in Vault is missing or no text", "write it there", "CredentialInvalid"),
            VaultReading.Absent absent when data && !request.Renewable => new(at, $"is gone, Vault has nothing at {absent.Path}, and the volumes hold data that it opens", $"restore the Secret, or write its keys to {absent.Path}; new passwords would not fit the data", "CredentialMissing"),
            VaultReading.Absent absent when observed.Stack.Spec.Credentials?.Vault?.Generate == false => new(at, $"Vault has nothing at {absent.Path}", $"write {string.Join(", ", VaultPlace.Keys(request))} there, or set spec.credentials.vault.generate to true", "CredentialMissing"),
            _ => null,
        };
    }

    /// <summary>Condition CredentialsCurrent; null for a stack without Vault. Its texts hold nothing that moves.</summary>
    public static Condition? Condition(StackObservation observed, StackPlan plan)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        if (observed.Stack.Spec.Credentials?.Source != CredentialSource.Vault)
            return null;
        var requests = plan.Engines.SelectMany(engine => engine.Cluster.Credentials().Select(request => (Request: request, Live: engine.Cluster.Rotating.Where(role => role.SecretName == request.SecretName).Select(role => role.Key).ToHashSet(StringComparer.Ordinal)))).Where(pair => VaultPlace.Keys(pair.Request).Any());
        var problems = requests.Select(pair => Problem(pair.Request, pair.Live, observed)).OfType<(string Status, string Reason, string Message)>().ToList();
        if (problems.Count == 0)
            return new(ConditionTypes.CredentialsCurrent, Conditions.True, "Current", "servers and Secrets hold the passwords that Vault holds");
        // A Vault that does not answer hides everything else.
        var (status, reason, _) = problems.Find(problem => problem.Status == Conditions.Unknown) is { Reason: not null } silent ? silent : problems[0];
        var messages = problems.Where(problem => problem.Reason == reason).Select(problem => problem.Message).Distinct();
        return new(ConditionTypes.CredentialsCurrent, status, reason, StackStatus.Cut(string.Join(" | ", messages)));
    }

    private static (string Status, string Reason, string Message)? Problem(CredentialRequest request, HashSet<string> live, StackObservation observed)
    {
        var name = request.SecretName;
        var secret = observed.Credentials.GetValueOrDefault(name) as SecretReading.Found;
        return observed.Vault.GetValueOrDefault(name) switch
        {
            VaultReading.Unavailable problem => (Conditions.Unknown, problem.Reason, $"{problem.Message}; {Runs}"),
            VaultReading.Gone gone => (Conditions.False, "CredentialMissing", $"{gone.Path} version {gone.Version} is deleted in Vault: undelete it, or write the passwords again; {Runs}"),
            VaultReading.Absent absent => (Conditions.False, "CredentialMissing", $"Vault has nothing at {absent.Path} yet"),
            VaultReading.Found found when Lacking(request, found) is { } key => (Conditions.False, "CredentialInvalid", $"key '{key}' of {found.Path} in Vault is missing or no text: write it there; {Runs}"),
            VaultReading.Found found when secret is not null && Differs(request, secret, found) => (Conditions.False, "CredentialPending", Differing(request, secret, found).All(live.Contains)
                ? $"{found.Path} changed in Vault: the servers are told first, then Secret {name}"
                : $"{found.Path} changed in Vault, and the servers that use Secret {name} cannot take another password while they run: the change waits; put the old one back if that is not wanted"),
            VaultReading.Found found when secret is null => (Conditions.False, "CredentialPending", $"Secret {name} is not made from {found.Path} yet"),
            null => (Conditions.Unknown, "VaultUnreachable", $"Vault was not asked for Secret {name} yet"),
            _ => null,
        };
    }

    private static string? Lacking(CredentialRequest request, VaultReading.Found found) =>
        VaultPlace.Keys(request).FirstOrDefault(key => !found.Fields.ContainsKey(key));

    // Something that is not whole in Vault is no wish.
    private static bool Differs(CredentialRequest request, SecretReading.Found secret, VaultReading.Found found) =>
        Lacking(request, found) is null && Differing(request, secret, found).Any();

    private static IEnumerable<string> Differing(CredentialRequest request, SecretReading.Found secret, VaultReading.Found found) =>
        VaultPlace.Keys(request).Where(key => !Same(secret.Fields.GetValueOrDefault(key) ?? "", found.Fields[key]));

    /// <summary>Whether Vault holds other passwords than a Secret.</summary>
    internal static bool Differs(CredentialRequest request, SecretReading secret, VaultReading? vault) =>
        secret is SecretReading.Found held && vault is VaultReading.Found found && Differs(request, held, found);

    /// <summary>Whether two passwords are the same; neither is compared by its own letters.</summary>
    internal static bool Same(string one, string other) => CryptographicOperations.FixedTimeEquals(
        HMACSHA256.HashData(Key, Encoding.UTF8.GetBytes(one)),
        HMACSHA256.HashData(Key, Encoding.UTF8.GetBytes(other)));
}
