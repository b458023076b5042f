using Dora.Kubernetes.Client;
using Dora.Vault;

namespace Dora.Operator.Credentials;

/// <summary>Why Vault cannot be asked, in words for a condition: what is wrong and the fix, and nothing that moves from try to try.</summary>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">For people.</param>
internal sealed record VaultProblem(string Reason, string Message)
{
    /// <summary>Reason where there is no usable answer.</summary>
    public const string Unreachable = "VaultUnreachable";

    /// <summary>Reason where it is sealed.</summary>
    public const string Sealed = "VaultSealed";

    /// <summary>Whether no other question would fare better: it is all of Vault that is away.</summary>
    public bool Whole => Reason is Sealed or Unreachable;

    // One text whatever the cause: refused, cut and late take turns, and a status that follows them would be written all the time.

    /// <summary>There is no answer.</summary>
    public static string Silent(string address) => $"Vault at {address} does not answer: see whether it is up, and whether the network lets the operator reach it";

    /// <summary>What an exception of a call means; null for one that is no matter of Vault.</summary>
    public static VaultProblem? Of(Exception exception, string address) => exception switch
    {
        VaultSealedException => new(Sealed, $"Vault at {address} is sealed: unseal it"),
        VaultUnreachableException => new(Unreachable, Silent(address)),
        VaultException known => new(known.Reason, known.Message),
        VaultUntrustedException untrusted => new("VaultForbidden", untrusted.Message),
        KubeException or InvalidDataException or FormatException or ArgumentException or ObjectDisposedException or OperationCanceledException => new(Unreachable, $"Vault at {address} cannot be asked: {exception.Message}"),
        _ => null,
    };
}

/// <summary>A stack names a Vault that the operator is not told to trust.</summary>
/// <param name="address">Its address.</param>
internal sealed class VaultUntrustedException(string address) : Exception($"the operator is not told to trust {address}: start it with --vault-address {address}");
