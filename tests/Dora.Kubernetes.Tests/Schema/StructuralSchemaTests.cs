using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Schema;
using Dora.Testing;
using Xunit;

namespace Dora.Kubernetes.Tests.Schema;

public sealed class StructuralSchemaTests
{
    private static readonly JsonObject Spec = StructuralSchema.Of(GardenJson.Default.Garden)["properties"]!["spec"]!.AsObject();

    [Fact]
    public void The_whole_definition_is_as_reviewed() =>
        GoldenFile.Matches(
            KubeYaml.Write(Gardens.Definition.Render(Gardens.Type)),
            "tests/Dora.Kubernetes.Tests/Schema/Golden/gardens.yaml");

    [Theory]
    [InlineData("beds", """{"description":"How many beds.","type":"integer","format":"int32","default":3,"minimum":1,"maximum":9}""")]
    [InlineData("owner", """{"description":"Who looks after it.","type":"string","pattern":"^[a-z]+$","minLength":1,"maxLength":63}""")]
    [InlineData("shed", """{"description":"Where there is one.","type":"object","properties":{"key":{"type":"string","maxLength":9}},"required":["key"]}""")]
    [InlineData("soil", """{"type":"string","enum":["Clay","Loam","Sand"],"default":"Loam"}""")]
    [InlineData("fallback", """{"type":"string","enum":["Clay","Loam","Sand"]}""")]
    [InlineData("open", """{"type":"boolean","default":true}""")]
    [InlineData("slope", """{"type":"number","format":"double","default":0.5}""")]
    [InlineData("area", """{"type":"integer","format":"int64"}""")]
    [InlineData("watering", """{"type":"string","default":"24h","pattern":"^([0-9]+(y|w|d|h|m|s))+$","maxLength":32}""")]
    [InlineData("paths", """{"type":"array","maxItems":5,"items":{"type":"string","maxLength":63}}""")]
    [InlineData("labels", """{"type":"object","maxProperties":8,"additionalProperties":{"type":"string","maxLength":253}}""")]
    [InlineData("note", """{"type":"string","nullable":true,"maxLength":63}""")]
    [InlineData("planted", """{"type":"string","format":"date-time"}""")]
    [InlineData("gate", """{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}""")]
    [InlineData("extras", """{"type":"object","x-kubernetes-preserve-unknown-fields":true}""")]
    public void A_property_becomes(string name, string schema) =>
        Assert.Equal(JsonNode.Parse(schema)!.ToJsonString(), Spec["properties"]![name]!.ToJsonString());

    [Fact]
    public void Only_non_nullable_parameters_without_default_are_required()
    {
        Assert.Equal("""["owner"]""", Spec["required"]!.ToJsonString());
        Assert.Equal("""["size"]""", Spec["properties"]!["pond"]!["required"]!.ToJsonString());
    }

    [Fact]
    public void Rules_of_a_type_keep_their_message_path_and_reason()
    {
        var rules = Spec["x-kubernetes-validations"]!.AsArray();

        Assert.Equal(2, rules.Count);
        Assert.Contains(rules, rule => (string?)rule!["message"] == "beds: at most 5 beside a pond"
            && (string?)rule["fieldPath"] == ".beds" && (string?)rule["reason"] == "FieldValueInvalid");
    }

    public static TheoryData<JsonTypeInfo, string, string> Rejected => new()
    {
        { GardenJson.Default.Unbounded, "spec.entries[].name", "MaxLength" },
        { GardenJson.Default.RuleInAnUnboundedList, "entries", "MaxItems" },
        { GardenJson.Default.Tree, "branches[]", "cannot recurse" },
        { GardenJson.Default.BoundOnTheWrongType, "count", "maxLength needs a string" },
        { GardenJson.Default.ListWithoutItsKey, "ponds", "list-map key 'name'" },
        { GardenJson.Default.OpenNode, "anything", "PreserveUnknownFields" },
    };

    [Theory]
    [MemberData(nameof(Rejected), DisableDiscoveryEnumeration = true)]
    public void What_the_server_would_refuse_fails_generation_and_names_the_path(JsonTypeInfo type, string path, string problem)
    {
        var error = Assert.Throws<SchemaException>(() => StructuralSchema.Of(type));

        Assert.StartsWith(path + ":", error.Message, StringComparison.Ordinal);
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }
}
