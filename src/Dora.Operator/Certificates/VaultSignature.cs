using Dora.Api;
using Dora.Engines;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>What Vault answered to a request to sign. Its text form holds no key.</summary>
internal abstract record VaultSignature
{
    private VaultSignature()
    {
    }

    /// <summary>A certificate that servers may show.</summary>
    /// <param name="Content">As its Secret would hold it: the chain, the key, and the root that the chain leads up to.</param>
    /// <param name="Asked">The value of <see cref="Labels.RotateAuthority"/> that it was asked under, or null.</param>
    /// <param name="Number">Later answers have greater ones.</param>
    public sealed record Found(SecretReading.Found Content, string? Asked, long Number) : VaultSignature
    {
        /// <summary>The certificate and those between it and the root, PEM.</summary>
        public string Chain => Content.Fields[CertificateRequest.Chain];

        /// <summary>Its key, PEM. In memory only, until it is in its Secret.</summary>
        public string Key => Content.Fields[CertificateRequest.Key];

        /// <summary>The certificate.</summary>
        public Leaf? Leaf => Leaf.Of(Content);

        /// <summary>Whether it may be written now.</summary>
        public bool Usable(DateTimeOffset now) => Leaf is { } leaf && leaf.Serves(now) && !leaf.Due(now);

        /// <inheritdoc/>
        public override string ToString() => $"{Leaf?.Serial}";
    }

    /// <summary>There is none.</summary>
    /// <param name="Reason">CamelCase.</param>
    /// <param name="Message">For people: what is wrong and the fix; nothing that moves from try to try.</param>
    public sealed record Unavailable(string Reason, string Message) : VaultSignature;
}

/// <summary>What Vault's answers mean for a plan: by which root it signs, and what it signed.</summary>
internal sealed class VaultWord
{
    private readonly IReadOnlyDictionary<string, VaultSignature.Found> _usable;

    private VaultWord(IReadOnlyDictionary<string, VaultSignature.Found> usable)
    {
        _usable = usable;
        // While Vault changes its authority, answers may differ: the latest counts.
        Root = usable.Values.MaxBy(found => found.Number)?.Leaf?.Root;
    }

    /// <summary>The root that Vault signs by; null where it was not asked, or did not answer.</summary>
    public Root? Root { get; }

    /// <summary>Vault's word as far as it is known.</summary>
    /// <param name="observed">What is known.</param>
    /// <param name="answered">The value of <see cref="Labels.RotateAuthority"/> that the authority in place answers.</param>
    public static VaultWord Of(StackObservation observed, string? answered)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var asked = observed.Stack.Metadata.Annotation(Labels.RotateAuthority);
        var fresh = asked is { Length: > 0 } && asked != answered;
        return new(observed.Signed
            .Where(pair => pair.Value is VaultSignature.Found found && found.Usable(observed.Now) && (!fresh || found.Asked == asked))
            .ToDictionary(pair => pair.Key, pair => (VaultSignature.Found)pair.Value, StringComparer.Ordinal));
    }

    /// <summary>What was signed for a Secret and is fit for it, or null.</summary>
    public VaultSignature.Found? For(ServerCertificate certificate)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        return _usable.GetValueOrDefault(certificate.Name) is { Leaf: { } leaf } found && certificate.Names(leaf) && leaf.Root!.Fingerprint == Root!.Fingerprint ? found : null;
    }
}
