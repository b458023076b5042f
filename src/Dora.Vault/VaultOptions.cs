namespace Dora.Vault;

/// <summary>Which Vault (or OpenBao) to ask, and how far to trust what it answers.</summary>
/// <param name="Address">Base address, e.g. <c>https://vault.vault:8200</c>.</param>
/// <param name="Namespace">Vault Enterprise's or OpenBao's namespace, or null.</param>
/// <param name="AuthorityPem">Certificates that may sign the server's; null: those of the machine.</param>
/// <param name="TrustedHosts">Other members, as <c>host:port</c>, to which a redirect may lead; the token goes nowhere else.</param>
public sealed record VaultOptions(Uri Address, string? Namespace = null, string? AuthorityPem = null, IReadOnlyList<string>? TrustedHosts = null)
{
    /// <summary>How long one call may take, with all it repeats.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Longest answer that is read (bytes).</summary>
    public int LongestAnswer { get; init; } = 1 << 20;
}

/// <summary>How to log in. What proves who we are is read again at each login: it is rotated while we run.</summary>
public abstract record VaultLogin
{
    /// <summary>Where pods of ours have a service account's token with the audience <c>vault</c>.</summary>
    public const string ProjectedToken = "/var/run/secrets/vault/token";

    private VaultLogin()
    {
    }

    /// <summary>By the token of a Kubernetes service account.</summary>
    /// <param name="Role">Role of the auth method.</param>
    /// <param name="TokenFile">File with the token (a projected one, with an audience of its own).</param>
    /// <param name="Mount">Where the auth method is mounted.</param>
    public sealed record Kubernetes(string Role, string TokenFile, string Mount = "kubernetes") : VaultLogin;

    /// <summary>By role id and secret id.</summary>
    /// <param name="RoleId">The role id; no secret.</param>
    /// <param name="SecretIdFile">File with the secret id.</param>
    /// <param name="Mount">Where the auth method is mounted.</param>
    public sealed record AppRole(string RoleId, string SecretIdFile, string Mount = "approle") : VaultLogin;

    /// <summary>A token that somebody else keeps fresh, such as Vault Agent.</summary>
    /// <param name="File">File with the token.</param>
    public sealed record Token(string File) : VaultLogin;
}
