using Dora.Vault;

namespace Dora.Operator.Credentials;

/// <summary>How the operator as a whole uses Vault: which ones it trusts, and how it logs in.</summary>
/// <param name="Addresses">Addresses that stacks may name. Whoever writes stacks chooses whom the operator shows its token to, so there is none by default.</param>
/// <param name="Auth">kubernetes, approle or token.</param>
/// <param name="File">File with the service account's token, the secret id or the token; read again at each login.</param>
/// <param name="RoleId">Role id of approle.</param>
/// <param name="TrustedHosts">Members, as <c>host:port</c>, to which a standby may redirect.</param>
public sealed record VaultAccess(IReadOnlyList<string> Addresses, string Auth = VaultAccess.Kubernetes, string File = VaultAccess.ProjectedToken, string? RoleId = null, IReadOnlyList<string>? TrustedHosts = null)
{
    /// <summary>Log in as a service account.</summary>
    public const string Kubernetes = "kubernetes";

    /// <summary>Log in with a role id and a secret id.</summary>
    public const string AppRole = "approle";

    /// <summary>Use a token that somebody else keeps fresh.</summary>
    public const string Token = "token";

    /// <summary>Where config/ and the Helm chart project a token with the audience <c>vault</c>.</summary>
    public const string ProjectedToken = VaultLogin.ProjectedToken;

    /// <summary>No Vault at all.</summary>
    public static VaultAccess None { get; } = new([]);

    /// <summary>Whether a stack may name this address.</summary>
    public bool Trusts(string address) => Addresses.Any(trusted => trusted.TrimEnd('/') == address.TrimEnd('/'));
}
