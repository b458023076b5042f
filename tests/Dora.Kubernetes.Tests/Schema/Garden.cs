using System.ComponentModel;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;

namespace Dora.Kubernetes.Tests.Schema;

/// <summary>A custom resource with one of everything that the schema generator knows.</summary>
[Description("A garden.")]
public sealed record Garden(ObjectMeta Metadata, GardenSpec Spec, GardenStatus? Status = null, string? ApiVersion = "test.dora-operator.io/v1", string? Kind = "Garden") : IKubeObject;

[Cel("!has(self.pond) || self.beds <= 5", "beds: at most 5 beside a pond", FieldPath = ".beds", Reason = "FieldValueInvalid")]
[Cel("!has(oldSelf.owner) || (has(self.owner) && self.owner == oldSelf.owner)", "owner: cannot be changed")]
public sealed record GardenSpec(
    [Description("Who looks after it."), MinLength(1), MaxLength(63), Pattern("^[a-z]+$")] string Owner,
    [property: Description("How many beds."), Minimum(1), Maximum(9)] int Beds = 3,
    Soil Soil = Soil.Loam,
    Soil? Fallback = null,
    bool Open = true,
    double Slope = 0.5,
    long? Area = null,
    [Duration] string Watering = "24h",
    [Quantity] string? Water = null,
    Pond? Pond = null,
    Pond? Basin = null,
    [property: Description("Where there is one."), DescribedElsewhere] Shed? Shed = null,
    [MaxItems(5), MaxLength(63)] IReadOnlyList<string>? Paths = null,
    [MaxProperties(8)][MaxLength(253)] IReadOnlyDictionary<string, string>? Labels = null,
    [AcceptsNull, MaxLength(63)] string? Note = null,
    [property: JsonConverter(typeof(TimeConverter))] DateTimeOffset? Planted = null,
    IntOrString? Gate = null,
    [PreserveUnknownFields] JsonObject? Extras = null);

public sealed record Pond([Quantity] string Size, int Fish = 0, [MaxItems(4), MaxLength(63)] IReadOnlyList<string>? Plants = null);

public sealed record Shed([property: Description("Who has the key."), MaxLength(9)] string Key);

public enum Soil
{
    Clay,
    Loam,
    Sand,
}

public sealed record GardenStatus([ListMap("type")] IReadOnlyList<Condition>? Conditions = null, long? ObservedGeneration = null);

public sealed record Unbounded(ObjectMeta Metadata, UnboundedSpec Spec, string? ApiVersion = null, string? Kind = null) : IKubeObject;

public sealed record UnboundedSpec([MaxItems(3)] IReadOnlyList<UnboundedEntry> Entries);

[Cel("self.name != ''", "name: must not be empty")]
public sealed record UnboundedEntry(string Name);

public sealed record RuleInAnUnboundedList(IReadOnlyList<BoundedEntry> Entries);

[Cel("self.name != ''", "name: must not be empty")]
public sealed record BoundedEntry([MaxLength(9)] string Name);

public sealed record Tree(string Name, IReadOnlyList<Tree>? Branches = null);

public sealed record BoundOnTheWrongType([MaxLength(5)] int Count);

public sealed record ListWithoutItsKey([ListMap("name")] IReadOnlyList<Pond> Ponds);

public sealed record OpenNode(JsonNode Anything);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(KubeList<Garden>))]
[JsonSerializable(typeof(Unbounded))]
[JsonSerializable(typeof(RuleInAnUnboundedList))]
[JsonSerializable(typeof(Tree))]
[JsonSerializable(typeof(BoundOnTheWrongType))]
[JsonSerializable(typeof(ListWithoutItsKey))]
[JsonSerializable(typeof(OpenNode))]
public sealed partial class GardenJson : JsonSerializerContext;

public static class Gardens
{
    public static KubeType<Garden> Type { get; } =
        new(new("test.dora-operator.io", "v1", "gardens", "Garden"), GardenJson.Default.Garden, GardenJson.Default.KubeListGarden);

    public static CustomResourceDefinition Definition { get; } = new(
        "garden",
        ShortNames: ["gdn"],
        Categories: ["dora"],
        PrinterColumns:
        [
            new("READY", """.status.conditions[?(@.type=="Ready")].status"""),
            new("BEDS", ".spec.beds", "integer", "How many beds", Priority: 1),
            new("AGE", ".metadata.creationTimestamp", "date"),
        ]);
}
