using Dora.Api;
using Dora.Operator.Credentials;
using Dora.Vault;

namespace Dora.Operator.Certificates;

/// <summary>Why Vault signed nothing, in words for a condition.</summary>
internal static class SigningProblem
{
    // As Vault's PKI engine says it (builtin/logical/pki of its sources: path_issue_sign.go, storage.go, cert_util.go).
    private static readonly string[] NoIssuer = ["unknown role", "could not fetch the CA certificate", "no default issuer", "unable to find PKI issuer", "no handler for route", "unsupported path"];
    private const string AuthorityEnds = "beyond the expiration of the CA";

    /// <summary>What an exception of a request to sign means; null for one that is no matter of Vault.</summary>
    public static VaultSignature.Unavailable? Of(Exception exception, VaultPki pki, VaultConnection connection)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var path = $"{pki.Mount}/sign/{pki.PkiRole}";
        return exception switch
        {
            VaultForbiddenException { Login: false } => new("VaultForbidden", $"Vault does not let the operator use {path}: grant update on it to its policy"),
            VaultException { HttpCode: 400 or 404 or 500 } missing when missing is VaultNotFoundException || NoIssuer.Any(words => missing.Message.Contains(words, StringComparison.OrdinalIgnoreCase)) => new("IssuerMissing", $"Vault at {connection.Address} has no role {pki.PkiRole} with an authority behind it at {pki.Mount}: enable a PKI secrets engine there, give it an authority, and write {pki.Mount}/roles/{pki.PkiRole}"),
            // Its own words hold the time, which moves.
            VaultException { HttpCode: 400 } late when late.Message.Contains(AuthorityEnds, StringComparison.Ordinal) => new("IssuerRefused", $"the authority behind {path} ends before a certificate would: renew it, or set leaf_not_after_behavior of its issuer to truncate"),
            VaultException { HttpCode: 400 } refused => new("IssuerRefused", refused.Message),
            _ => VaultProblem.Of(exception, connection.Address) is { } problem ? new(problem.Reason, problem.Message) : null,
        };
    }
}
