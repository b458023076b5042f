using System.Text.Json.Nodes;
using Dora.Operator.Stacks;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Operator.Tests.Stacks;

public sealed class DesiredStateTests
{
    [Theory]
    [InlineData("""{"a":1}""", """{"a":1,"b":2}""", true)]
    [InlineData("""{"a":1}""", """{"a":2}""", false)]
    [InlineData("""{"a":{"b":"1"}}""", """{"a":{"b":"1","c":"2"}}""", true)]
    [InlineData("""{"a":"1Gi"}""", """{"a":"1024Mi"}""", true)]
    [InlineData("""{"a":"500m"}""", """{"a":"0.5"}""", true)]
    [InlineData("""{"a":"1Gi"}""", """{"a":"1G"}""", false)]
    [InlineData("""{"a":[]}""", """{}""", true)]
    [InlineData("""{"a":{}}""", """{}""", true)]
    [InlineData("""{"a":["x"]}""", """{"a":["x","y"]}""", false)]
    [InlineData("""{"a":["x","y"]}""", """{"a":["y","x"]}""", false)]
    [InlineData("""{"ports":[{"name":"a","port":1}]}""", """{"ports":[{"name":"a","port":1,"protocol":"TCP"}]}""", true)]
    [InlineData("""{"ports":[{"name":"a","port":1}]}""", """{"ports":[{"name":"a","port":1},{"name":"b","port":2}]}""", false)]
    [InlineData("""{"template":{"containers":[{"name":"a"}]}}""", """{"template":{"containers":[{"name":"a"},{"name":"mesh"}]}}""", true)]
    [InlineData("""{"template":{"containers":[{"name":"a","image":"x"}]}}""", """{"template":{"containers":[{"name":"a","image":"y"}]}}""", false)]
    [InlineData("""{"from":[{"podSelector":{"a":"b"}}]}""", """{"from":[{"podSelector":{"a":"b"}}]}""", true)]
    [InlineData("""{"from":[{"podSelector":{"a":"b"}}]}""", """{"from":[{"podSelector":{"a":"b"},"namespaceSelector":{}}]}""", false)]
    [InlineData("""{"from":[{"podSelector":{"a":"b"},"namespaceSelector":{}}]}""", """{"from":[{"podSelector":{"a":"b"}}]}""", false)]
    [InlineData("""{"ports":[{"port":5432}]}""", """{"ports":[{"port":5432,"endPort":65535}]}""", false)]
    [InlineData("""{"template":{"tolerations":[{"key":"a"}]}}""", """{"template":{"tolerations":[{"key":"a","operator":"Equal"}]}}""", true)]
    [InlineData("""{"volumeClaimTemplates":[{"a":1}]}""", """{"volumeClaimTemplates":[{"a":2}]}""", true)]
    [InlineData("""{"a":true}""", """{"a":"true"}""", false)]
    [InlineData("""{"apiVersion":"policy/v1beta1","kind":"A","a":1}""", """{"apiVersion":"policy/v1","a":1}""", true)]
    [InlineData("""{"a":{"kind":"A"}}""", """{"a":{"kind":"B"}}""", false)]
    public void A_wish_holds_when_every_field_of_it_does(string wanted, string live, bool holds) =>
        Assert.Equal(holds, DesiredState.Holds(JsonNode.Parse(wanted)!.AsObject(), JsonNode.Parse(live)!.AsObject()));

    [Theory]
    [InlineData("""{"spec":{"ports":[{"name":"a","port":1}],"x":1}}""", """{"spec":{"ports":[{"name":"a","port":9}],"x":2}}""", """{"spec":{"ports":[{"name":"a","port":1}]}}""")]
    [InlineData("""{"spec":{"x":1}}""", """{"spec":{"x":2}}""", null)]
    [InlineData("""{"spec":{"ports":[{"name":"a","port":1}]}}""", """{"spec":{"ports":[{"name":"a","port":1}]}}""", null)]
    public void Only_lists_that_do_not_hold_are_replaced_whole(string wanted, string live, string? repair) =>
        Assert.Equal(repair, DesiredState.ListRepair(JsonNode.Parse(wanted)!.AsObject(), JsonNode.Parse(live)!.AsObject())?.ToJsonString());

    [Theory]
    [InlineData("1", "1")]
    [InlineData("1500m", "1.5")]
    [InlineData("1Ki", "1024")]
    [InlineData("2G", "2000000000")]
    [InlineData("abc", null)]
    [InlineData("", null)]
    [InlineData("1e3x", null)]
    [InlineData("999999999999999999999999", null)]
    public void Quantities_are_compared_by_value(string text, string? value) =>
        Assert.Equal(value, DesiredState.Quantity(text)?.ToString("0.##########", System.Globalization.CultureInfo.InvariantCulture));

    [Fact]
    public void Any_object_holds_in_itself_and_needs_no_repair() => Check.One(
        Config.QuickThrowOnFailure,
        Prop.ForAll(ArbMap.Default.ArbFor<Dictionary<int, string[]>>(), map =>
        {
            var one = new JsonObject();
            foreach (var (key, values) in map ?? [])
                one[$"k{key}"] = new JsonArray([.. (values ?? []).Select(value => (JsonNode?)JsonValue.Create(value ?? ""))]);
            var other = one.DeepClone().AsObject();
            return DesiredState.Holds(one, other) && DesiredState.ListRepair(one, other) is null;
        }));
}
