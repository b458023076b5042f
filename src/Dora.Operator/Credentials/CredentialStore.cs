using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials;

/// <summary>
/// Reads credential Secrets by name and creates those that do not exist. It rewrites no password but by Vault's word; what a server
/// issued, a token, is put where it belongs. What is read is kept for a few minutes, so that probes do not ask the API server each time.
/// </summary>
public sealed class CredentialStore(KubeClient client, VaultCredentials vault, TimeProvider clock)
{
    private const int PasswordLength = 32;
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(5);

    private readonly ConcurrentDictionary<(string? Namespace, string Name), (SecretReading.Found Found, string StackUid, long At)> _kept = new();
    private readonly ConcurrentDictionary<(string? Namespace, string Name), bool> _asked = new();

    /// <summary>The authority, where a stack has one.</summary>
    internal VaultCredentials Vault => vault;

    /// <summary>The Secrets of a stack as they are.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="names">Names of its Secrets.</param>
    /// <param name="isNew">Nothing of the stack exists yet: nothing is asked, creating tells.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async Task<IReadOnlyDictionary<string, SecretReading>> ReadAsync(ComplianceStack stack, IReadOnlyList<string> names, bool isNew, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(names);
        var readings = new Dictionary<string, SecretReading>(StringComparer.Ordinal);
        foreach (var name in names)
        {
            var id = (stack.Metadata.Namespace, name);
            if (_kept.TryGetValue(id, out var kept) && kept.StackUid == stack.Metadata.Uid && clock.GetElapsedTime(kept.At) < Memory)
                readings[name] = kept.Found;
            else if (isNew && !_asked.ContainsKey(id))
                readings[name] = new SecretReading.Unknown();
            else
                readings[name] = await FetchAsync(stack, name, cancellationToken).ConfigureAwait(false);
        }

        return readings;
    }

    /// <summary>
    /// Creates a Secret; an existing one is left as it is and read in the next pass. Where Vault is the authority the passwords are
    /// Vault's, and generated ones are written there first: of all that may go wrong in between, nothing leaves two passwords.
    /// </summary>
    /// <param name="stack">The stack.</param>
    /// <param name="step">What to create.</param>
    /// <param name="names">Names and labels of the engine.</param>
    /// <param name="reading">What Vault said of it; null for a stack without Vault.</param>
    /// <param name="cancellationToken">Stops.</param>
    public async Task CreateAsync(ComplianceStack stack, PlanStep.CreateCredential step, EngineNames names, VaultReading? reading, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(step);
        ArgumentNullException.ThrowIfNull(names);
        var generated = Generate(step.Request);
        if (reading is VaultReading.Absent)
            reading = await vault.CreateAsync(stack, new(step.Engine, step.Request), generated, cancellationToken).ConfigureAwait(false);
        // What won in Vault may not be whole: then the next pass says so.
        if (reading is not (null or VaultReading.Found) || (reading is VaultReading.Found found && VaultPlace.Keys(step.Request).Any(key => !found.Fields.ContainsKey(key))))
            return;
        var fields = reading is VaultReading.Found authority ? Complete(step.Request, Named(step, authority)) : generated;
        var meta = names.Meta(step.Request.SecretName);
        var secret = new Secret(
            step.Owned ? meta : meta with { OwnerReferences = null },
            fields.ToDictionary(field => field.Key, field => Convert.ToBase64String(Encoding.UTF8.GetBytes(field.Value))),
            Type: "Opaque");
        var id = (stack.Metadata.Namespace, step.Request.SecretName);
        try
        {
            Remember(stack, await client.CreateAsync(KubeTypes.Secrets, secret, cancellationToken).ConfigureAwait(false));
        }
        catch (KubeAlreadyExistsException)
        {
            _asked[id] = true;
        }
    }

    /// <summary>Writes the passwords of an existing Secret to Vault, which has none; never others.</summary>
    public async Task AdoptAsync(StackObservation observed, PlanStep.AdoptCredential step, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(step);
        // What was kept may be minutes old, and is about to become the truth.
        Forget(observed.Stack.Metadata.Namespace, step.Request.SecretName);
        if (await FetchAsync(observed.Stack, step.Request.SecretName, cancellationToken).ConfigureAwait(false) is SecretReading.Found found
            && VaultPlace.Keys(step.Request).All(key => found.Fields.GetValueOrDefault(key) is { Length: > 0 }))
            await vault.CreateAsync(observed.Stack, new(step.Engine, step.Request), found.Fields, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Adds what an existing Secret lacks and what follows from the rest of it; what it has stays.</summary>
    /// <exception cref="KubeException">The API server refuses, or somebody else was first.</exception>
    public async Task CompleteAsync(ComplianceStack stack, CredentialRequest request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(request);
        Forget(stack.Metadata.Namespace, request.SecretName);
        if (await FetchAsync(stack, request.SecretName, cancellationToken).ConfigureAwait(false) is not SecretReading.Found found
            || CredentialRules.Lacking(request, found.Fields).ToList() is not { Count: > 0 } lacking)
            return;
        var fields = Complete(request, found.Fields);
        var patch = KubePatch.Merge(new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = found.Meta.ResourceVersion },
            ["data"] = new JsonObject(lacking.Select(key => KeyValuePair.Create(key, (JsonNode?)Convert.ToBase64String(Encoding.UTF8.GetBytes(fields[key]))))),
        });
        Forget(stack.Metadata.Namespace, request.SecretName);
        Remember(stack, await client.PatchAsync(KubeTypes.Secrets, stack.Metadata.Namespace, request.SecretName, patch, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Puts what a server issued under one key of an existing Secret; its other keys stay.</summary>
    public async Task KeepAsync(string? ns, string name, string key, string value, CancellationToken cancellationToken)
    {
        var patch = KubePatch.Merge(new JsonObject { ["data"] = new JsonObject { [key] = Convert.ToBase64String(Encoding.UTF8.GetBytes(value)) } });
        await client.PatchAsync(KubeTypes.Secrets, ns, name, patch, cancellationToken).ConfigureAwait(false);
        Forget(ns, name);
    }

    /// <summary>Drops what is kept, e.g. after a refused login or a change of owner.</summary>
    public void Forget(string? ns, string name)
    {
        _kept.TryRemove((ns, name), out _);
        _asked[(ns, name)] = true;
    }

    /// <summary>Drops all that is kept: another process was at work.</summary>
    public void ForgetAll()
    {
        foreach (var (ns, name) in _kept.Keys)
            Forget(ns, name);
    }

    /// <summary>Values for a request: 32 random characters per password, and what is derived from them.</summary>
    public static IReadOnlyDictionary<string, string> Generate(CredentialRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Complete(request, VaultPlace.Keys(request).ToDictionary(key => key, _ => NewPassword(), StringComparer.Ordinal));
    }

    /// <summary>32 random characters.</summary>
    public static string NewPassword() => RandomNumberGenerator.GetString(Alphabet, PasswordLength);

    /// <summary>What a Secret holds for a login.</summary>
    /// <exception cref="ArgumentException">It holds no password: half a login would open nothing.</exception>
    public static IReadOnlyDictionary<string, string> Fields(CredentialRequest request, Login login)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(login);
        if (!VaultPlace.Keys(request).SequenceEqual(["password"]))
            throw new ArgumentException($"Secret {request.SecretName} holds other things than one password", nameof(request));
        return Complete(request, new Dictionary<string, string> { ["password"] = login.Password, [CredentialRequest.Username] = login.Username });
    }

    /// <summary>What a Secret holds once a role has another login: its password, its name where two users take turns, and what is made of them.</summary>
    public static IReadOnlyDictionary<string, string> Fields(CredentialRequest request, RotatingRole role, Login login, IReadOnlyDictionary<string, string> held)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(role);
        ArgumentNullException.ThrowIfNull(held);
        var others = VaultPlace.Keys(request).Where(key => key != role.Key).ToHashSet(StringComparer.Ordinal);
        var values = held.Concat(VaultPlace.Values(role, login)).GroupBy(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Last(), StringComparer.Ordinal);
        return Complete(request, values).Where(pair => !others.Contains(pair.Key)).ToDictionary(StringComparer.Ordinal);
    }

    // Passwords and names, and what is made of them.
    private static Dictionary<string, string> Complete(CredentialRequest request, IReadOnlyDictionary<string, string> values)
    {
        var fields = VaultPlace.Keys(request).ToDictionary(key => key, key => values[key], StringComparer.Ordinal);
        if (values.GetValueOrDefault(CredentialRequest.Username) is { } username)
            fields[CredentialRequest.Username] = username;
        foreach (var field in request.Usernames)
            fields[field.Key] = values.GetValueOrDefault(field.Key) is { Length: > 0 } name ? name : field.Value!;
        var known = fields.ToDictionary(StringComparer.Ordinal);
        foreach (var field in request.Fields.Where(field => field.Value is not null && !fields.ContainsKey(field.Key)))
            fields[field.Key] = CredentialText.Fill(field, known);
        return fields;
    }

    private static Dictionary<string, string> Named(PlanStep.CreateCredential step, VaultReading.Found authority)
    {
        var values = authority.Fields.Where(pair => step.Request.Usernames.All(field => field.Key != pair.Key)).ToDictionary(StringComparer.Ordinal);
        foreach (var role in step.Roles.Where(role => role.Second is not null))
            values[role.UsernameKey] = VaultPlace.Username(authority, role);
        return values;
    }

    /// <summary>Remembers a Secret as the API server just answered it.</summary>
    /// <exception cref="FormatException">A value is not base64.</exception>
    internal SecretReading.Found Remember(ComplianceStack stack, Secret secret)
    {
        var fields = (secret.Data ?? new Dictionary<string, string>()).ToDictionary(pair => pair.Key, pair => Encoding.UTF8.GetString(Convert.FromBase64String(pair.Value)), StringComparer.Ordinal);
        var found = new SecretReading.Found(fields, secret.Metadata.OwnedBy(stack)) { Meta = secret.Metadata };
        _kept[(stack.Metadata.Namespace, secret.Metadata.Name!)] = (found, stack.Metadata.Uid ?? "", clock.GetTimestamp());
        return found;
    }

    private async Task<SecretReading> FetchAsync(ComplianceStack stack, string name, CancellationToken cancellationToken)
    {
        try
        {
            var secret = await client.FindAsync(KubeTypes.Secrets, stack.Metadata.Namespace, name, cancellationToken).ConfigureAwait(false);
            if (secret is null)
                return new SecretReading.Missing();
            return Remember(stack, secret);
        }
        catch (KubeException exception)
        {
            return new SecretReading.Unreadable(exception.Message);
        }
        catch (FormatException)
        {
            return new SecretReading.Unreadable("a value is not base64");
        }
    }
}
