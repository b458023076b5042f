using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;

namespace Dora.Api;

/// <summary>Where <see cref="ComplianceStack"/> is served, and its JSON contract.</summary>
public static class StackResource
{
    /// <summary>The API group.</summary>
    public const string Group = "dora-operator.io";

    /// <summary>Group and version.</summary>
    public const string ApiVersion = "dora-operator.io/v1alpha1";

    /// <summary>The kind.</summary>
    public const string Kind = "ComplianceStack";

    /// <summary>The kind with its contract.</summary>
    public static KubeType<ComplianceStack> Type { get; } = new(
        new(Group, "v1alpha1", "compliancestacks", Kind), ApiJson.Wire.ComplianceStack, ApiJson.Wire.KubeListComplianceStack);
}

/// <summary>The serialisation contract of the API, source-generated.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KubeList<ComplianceStack>))]
[JsonSerializable(typeof(KubeList<ComplianceBackup>))]
[JsonSerializable(typeof(KubeList<ComplianceRestore>))]
public sealed partial class ApiJson : JsonSerializerContext
{
    /// <summary>The instance for everything exchanged with an API server.</summary>
    public static ApiJson Wire { get; } = new(KubeJson.WireOptions());

    /// <summary>Reads files that people wrote: a field that is not known is an error, not ignored.</summary>
    public static ApiJson Strict { get; } = new(new JsonSerializerOptions(KubeJson.WireOptions()) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow });
}
