using System.Globalization;
using Dora.Api;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// A stack's own authority as its Secret has it: the newest root, which signs, and older ones that are believed until no
/// certificate needs them any more. The key of an older one is not kept.
/// </summary>
/// <param name="Signer">The newest root, or null where it cannot be read.</param>
/// <param name="CanSign">Whether its key is there.</param>
/// <param name="Older">Roots that are believed beside it.</param>
/// <param name="Generation">Which authority of the stack it is, counted from 1; 0 where the Secret does not say.</param>
/// <param name="Asked">The value of <see cref="Labels.RotateAuthority"/> that it was made for, or null.</param>
/// <param name="ResourceVersion">The state of the Secret that this was read from.</param>
/// <param name="Owned">Whether the Secret goes with the stack.</param>
internal sealed record Authority(Root? Signer, bool CanSign, IReadOnlyList<Root> Older, int Generation, string? Asked, string? ResourceVersion, bool Owned)
{
    /// <summary>Key of its Secret: the newest root, PEM.</summary>
    public const string Certificate = "tls.crt";

    /// <summary>Key of its Secret: private key of the newest root, PEM. It is in no other Secret.</summary>
    public const string Key = "tls.key";

    /// <summary>Key of its Secret: older roots, PEM.</summary>
    public const string Previous = "previous.crt";

    /// <summary>Whether one takes the place of another.</summary>
    public bool Rotating => Older.Count > 0;

    /// <summary>All roots that are believed, the newest one first.</summary>
    public IReadOnlyList<Root> Roots => Signer is null ? Older : [Signer, .. Older];

    /// <summary>What servers get as <c>ca.crt</c>.</summary>
    public string Bundle => Root.Bundle(Roots);

    /// <summary>Name of the Secret of a stack's authority.</summary>
    public static string SecretName(string stack) => $"{stack}-ca";

    /// <summary>The authority in a Secret.</summary>
    public static Authority Of(SecretReading.Found secret)
    {
        var signer = Root.Bundle(secret.Fields.GetValueOrDefault(Certificate)) is [var root, ..] ? root : null;
        return new(
            signer,
            signer is not null && HasKey(secret),
            [.. Root.Bundle(secret.Fields.GetValueOrDefault(Previous)).Where(older => older.Fingerprint != signer?.Fingerprint)],
            GenerationOf(secret),
            secret.Meta.Annotation(Labels.RotateAuthority),
            secret.Meta.ResourceVersion,
            secret.Owned);
    }

    /// <summary>Which authority a Secret says it comes from; 0 where it does not.</summary>
    public static int GenerationOf(SecretReading.Found secret) =>
        int.TryParse(secret.Meta.Annotation(Labels.AuthorityGeneration), NumberStyles.None, CultureInfo.InvariantCulture, out var generation) ? generation : 0;

    /// <summary>Who signs with it.</summary>
    public static AuthoritySigner SignerOf(SecretReading.Found secret, TimeProvider clock) =>
        new(secret.Fields[Certificate], secret.Fields[Key], clock);

    private static bool HasKey(SecretReading.Found secret)
    {
        using var certificates = PemText.Certificates(secret.Fields[Certificate]);
        return certificates is { All: [var first, ..] } && PemText.Fits(first, secret.Fields.GetValueOrDefault(Key));
    }
}
