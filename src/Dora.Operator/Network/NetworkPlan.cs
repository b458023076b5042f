using System.Security.Cryptography;
using System.Text;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Network;

/// <summary>The NetworkPolicies of a stack.</summary>
internal sealed record NetworkPlan(IReadOnlyList<WantedPolicy> Policies)
{
    /// <summary>Digest of what is wanted.</summary>
    public string Digest { get; } = DigestOf(Policies);

    private static string DigestOf(IEnumerable<WantedPolicy> policies)
    {
        var text = string.Join('\n', policies.OrderBy(policy => policy.Manifest.Name, StringComparer.Ordinal).Select(policy => $"{policy.Manifest.Name} {policy.Manifest.Body["spec"]!.ToJsonString()}"));
        return $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";
    }
}

/// <summary>A NetworkPolicy that is wanted.</summary>
/// <param name="Engine">Whose pods it is for.</param>
/// <param name="Manifest">As it shall be.</param>
/// <param name="InPlace">Whether it is there as it shall be.</param>
internal sealed record WantedPolicy(BoundEngine Engine, Manifest Manifest, bool InPlace);
