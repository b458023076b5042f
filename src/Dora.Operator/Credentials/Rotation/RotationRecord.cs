using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Api;
using Dora.Engines;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>
/// What is known of the change of one password: everything, for the operator may end after any write. It is kept in a Secret that no
/// pod mounts, STACK-ENGINE-rotation, under the name of the Secret that applications read. Its text form holds no password.
/// </summary>
/// <param name="Phase">The last step that is known to be done.</param>
/// <param name="Since">Since when.</param>
/// <param name="Asked">The annotation's value that it answers, as <see cref="Mark"/> has it; or null.</param>
/// <param name="Next">The new login; there until the change is over.</param>
/// <param name="Old">The one before; there until it is proven that servers refuse it.</param>
/// <param name="RotatedAt">When applications last got another password.</param>
/// <param name="ProvenAt">When every server was last seen to refuse the one before.</param>
/// <param name="Version">Version in Vault whose password this is; null: the operator made it.</param>
internal sealed record RotationRecord(
    RotationPhase Phase,
    DateTimeOffset Since,
    string? Asked = null,
    Login? Next = null,
    Login? Old = null,
    DateTimeOffset? RotatedAt = null,
    DateTimeOffset? ProvenAt = null,
    int? Version = null)
{
    /// <summary>Whether a change is under way.</summary>
    public bool Open => Phase is not (RotationPhase.Idle or RotationPhase.Proven);

    /// <summary>
    /// Logins that servers shall accept; null while that is just the one in the Secret. What stands in the Secret is never missing.
    /// </summary>
    public IReadOnlyList<Login>? Accepted => Phase switch
    {
        RotationPhase.Set or RotationPhase.Verified or RotationPhase.Overlapping => [Old!, Next!],
        RotationPhase.Retired => [Next!],
        _ => null,
    };

    /// <summary>The Secret of an engine's records.</summary>
    public static string SecretName(string stack, string engine) => $"{stack}-{engine}-rotation";

    /// <summary>A value of an annotation, short enough to keep.</summary>
    public static string? Mark(string? annotation) => string.IsNullOrEmpty(annotation)
        ? null
        : Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(annotation)))[..16];

    /// <summary>The record as text.</summary>
    public string Write() => JsonSerializer.Serialize(this, RotationJson.Default.RotationRecord);

    /// <summary>The record that a text holds; null when somebody else wrote it.</summary>
    public static RotationRecord? Read(string? text)
    {
        try
        {
            var record = text is null ? null : JsonSerializer.Deserialize(text, RotationJson.Default.RotationRecord);
            return record is { Open: true } and ({ Next: null } or { Old: null }) ? null : record;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Phase} since {Since:O}";
}

/// <summary>The contract of records.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(RotationRecord))]
internal sealed partial class RotationJson : JsonSerializerContext;
