using System.Security.Cryptography;
using System.Text;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>The NetworkPolicies of a stack.</summary>
/// <param name="Policies">Those of its servers.</param>
/// <param name="Shut">That of the pod that tries the way out; null where nothing is tried.</param>
/// <param name="ShutInPlace">Whether it is there as it shall be.</param>
internal sealed record NetworkPlan(IReadOnlyList<WantedPolicy> Policies, Manifest? Shut = null, bool ShutInPlace = false)
{
    /// <summary>Digest of what is wanted.</summary>
    public string Digest { get; } = DigestOf([.. Policies.Select(policy => policy.Manifest), .. Shut is null ? Array.Empty<Manifest>() : [Shut]]);

    private static string DigestOf(IEnumerable<Manifest> policies)
    {
        var text = string.Join('\n', policies.OrderBy(policy => policy.Name, StringComparer.Ordinal).Select(policy => $"{policy.Name} {policy.Body["spec"]!.ToJsonString()}"));
        return $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";
    }
}

/// <summary>A NetworkPolicy that is wanted.</summary>
/// <param name="Engine">Whose pods it is for.</param>
/// <param name="Manifest">As it shall be.</param>
/// <param name="InPlace">Whether it is there as it shall be.</param>
internal sealed record WantedPolicy(BoundEngine Engine, Manifest Manifest, bool InPlace);
