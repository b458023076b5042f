using Dora.Api;
using Dora.Engines;

namespace Dora.Operator.Credentials;

/// <summary>What Vault says of one credential Secret, as last read. Its text form holds no value.</summary>
public abstract record VaultReading
{
    private VaultReading()
    {
    }

    /// <summary>Values of the keys that are texts and not empty.</summary>
    /// <param name="Path">Where, with the mount.</param>
    /// <param name="Fields">By key.</param>
    /// <param name="Version">Version in Vault.</param>
    public sealed record Found(string Path, IReadOnlyDictionary<string, string> Fields, int Version) : VaultReading
    {
        /// <summary>Whether this is the same version of the same place.</summary>
        public bool Equals(Found? other) => other is not null && (Path, Version) == (other.Path, other.Version);

        /// <inheritdoc/>
        public override int GetHashCode() => HashCode.Combine(Path, Version);

        /// <inheritdoc/>
        public override string ToString() => $"{Path} version {Version}";
    }

    /// <summary>Nothing ever was there.</summary>
    public sealed record Absent(string Path) : VaultReading;

    /// <summary>The newest version was deleted or destroyed.</summary>
    public sealed record Gone(string Path, int Version) : VaultReading;

    /// <summary>Vault did not say: something may be there. Never treated as absent.</summary>
    /// <param name="Reason">VaultSealed, VaultForbidden, VaultUnreachable, …</param>
    /// <param name="Message">What to do; without anything that moves.</param>
    public sealed record Unavailable(string Reason, string Message) : VaultReading;
}

/// <summary>Where a Secret of a stack is in Vault.</summary>
/// <param name="Engine">Key under <c>spec.engines</c>.</param>
/// <param name="Request">The Secret.</param>
public sealed record VaultPlace(string Engine, CredentialRequest Request)
{
    /// <summary>Path below the mount.</summary>
    public string Path(ComplianceStack stack, VaultSettings settings) =>
        $"{settings.PathOf(stack.Metadata.Namespace, stack.Metadata.Name)}/{Engine}/{Request.SecretName}";

    /// <summary>Keys whose values Vault holds: those that are generated. The others are derived from them, or issued by the server.</summary>
    public static IEnumerable<string> Keys(CredentialRequest request) =>
        request.Fields.Where(field => field is { Value: null, Issued: false }).Select(field => field.Key);

    /// <summary>Keys that are read: the user's name stands beside its password once two users take turns.</summary>
    public static IEnumerable<string> Read(CredentialRequest request) =>
        Keys(request).Concat(request.Usernames.Select(field => field.Key));

    /// <summary>The user whose password it is; of an entry without a name, as older ones are, the first one.</summary>
    public static string Username(VaultReading.Found found, RotatingRole role)
    {
        ArgumentNullException.ThrowIfNull(found);
        ArgumentNullException.ThrowIfNull(role);
        return role.Known(found.Fields.GetValueOrDefault(role.UsernameKey));
    }

    /// <summary>What is written for a login; the name only where it may be another one.</summary>
    public static IReadOnlyDictionary<string, string> Values(RotatingRole role, Login login)
    {
        ArgumentNullException.ThrowIfNull(role);
        ArgumentNullException.ThrowIfNull(login);
        var values = new Dictionary<string, string>(StringComparer.Ordinal) { [role.Key] = login.Password };
        if (role.Second is not null)
            values[role.UsernameKey] = login.Username;
        return values;
    }
}
