using System.ComponentModel;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Schema;

namespace Dora.Api;

/// <summary>How far the change of one password is.</summary>
public sealed record RotationStatus(
    [property: Description("The Secret, with the key after a dot where it holds several passwords."), MaxLength(253)]
    string SecretName,
    [property: Description("The engine whose servers check it."), MaxLength(63)]
    string Engine,
    [property: Description("How far it is: Idle, Prepared, Set, Verified, Flipped, Overlapping, Retired, Proven; or Static, for what does not change while servers run.")]
    RotationPhase Phase = RotationPhase.Idle,
    [property: Description("Since when it is that far.")]
    DateTimeOffset? Since = null,
    [property: Description("When the Secret last got another password; absent: never.")]
    DateTimeOffset? RotatedAt = null,
    [property: Description("When the next change is due; absent: only on demand.")]
    DateTimeOffset? DueAt = null,
    [property: Description("When every server was last seen to refuse the password before this one.")]
    DateTimeOffset? ProvenAt = null,
    [property: Description("Why it does not change while servers run."), MaxLength(512)]
    string? Message = null)
{
    /// <summary>Entries at most; more are left out.</summary>
    public const int MostRotations = 128;
}

/// <summary>How far the change of a password is. Each step is taken when the one before is known to be done.</summary>
[JsonConverter(typeof(EnumNames<RotationPhase>))]
public enum RotationPhase
{
    /// <summary>One password, never changed yet.</summary>
    Idle,

    /// <summary>The new password is kept where only the operator reads it; no server has heard it.</summary>
    Prepared,

    /// <summary>Servers were told to accept both.</summary>
    Set,

    /// <summary>Every server accepted a login with the new one.</summary>
    Verified,

    /// <summary>The applications' Secret holds the new one.</summary>
    Flipped,

    /// <summary>Both are accepted, so that applications have time to read their Secret again.</summary>
    Overlapping,

    /// <summary>Servers were told to refuse the old one.</summary>
    Retired,

    /// <summary>Every server refused a login with the old one.</summary>
    Proven,

    /// <summary>Does not change while servers run.</summary>
    Static,
}
