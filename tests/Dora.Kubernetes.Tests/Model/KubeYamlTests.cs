using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Dora.Kubernetes.Tests.Model;

public sealed class KubeYamlTests
{
    [Theory]
    [InlineData("on")]
    [InlineData("y")]
    [InlineData("No")]
    [InlineData("~")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("1e3")]
    [InlineData("0x1F")]
    [InlineData("0644")]
    [InlineData("1_000")]
    [InlineData("12:30:45")]
    [InlineData("2026-11-20")]
    [InlineData("2026-11-20T10:00:00Z")]
    [InlineData(".5")]
    [InlineData("-.inf")]
    [InlineData("- a")]
    [InlineData("a: b")]
    [InlineData("a #b")]
    [InlineData("a:")]
    [InlineData("*a")]
    [InlineData("a *")]
    [InlineData("@a")]
    [InlineData("---")]
    [InlineData("=")]
    [InlineData(" a")]
    [InlineData("a ")]
    [InlineData("17")]
    public void A_string_that_some_reader_would_misread_is_quoted(string text)
    {
        Assert.Equal($"\"{text}\"\n", KubeYaml.Write(JsonValue.Create(text)));
        AssertRoundTrip(new JsonObject { [text] = text });
        AssertRoundTrip(new JsonObject { [text] = new JsonObject { [text] = text } });
    }

    [Theory]
    [InlineData("200Gi")]
    [InlineData("90d")]
    [InlineData("10.0.0.0/16")]
    [InlineData("postgres")]
    [InlineData("/var/lib/x y")]
    [InlineData("http://a:80/b#c")]
    [InlineData("größer 🐘")]
    public void An_ordinary_string_stays_plain(string text) => Assert.Equal($"{text}\n", KubeYaml.Write(JsonValue.Create(text)));

    [Fact]
    public void Objects_are_written_as_Kubernetes_tools_do()
    {
        var node = JsonNode.Parse("""{"a":{"b":[1,{"c":true,"d":[]},["x"]],"e":{}},"script":"set -e\nrun\n","tail":"a\n\nb","f":null}""");

        Assert.Equal(
            "a:\n  b:\n  - 1\n  - c: true\n    d: []\n  - - x\n  e: {}\nscript: |\n  set -e\n  run\ntail: |-\n  a\n\n  b\nf: null\n",
            KubeYaml.Write(node));
        AssertRoundTrip(node);
    }

    [Theory]
    [InlineData("yes", "true")]
    [InlineData("'yes'", "\"yes\"")]
    [InlineData("0644", "420")]
    [InlineData("0o17", "15")]
    [InlineData("0x1f", "31")]
    [InlineData("-7", "-7")]
    [InlineData("18446744073709551615", "18446744073709551615")]
    [InlineData("1.5", "1.5")]
    [InlineData("09", "9")]
    [InlineData("2026-11-20", "\"2026-11-20\"")]
    [InlineData("!!str 5", "\"5\"")]
    [InlineData("!!int '5'", "5")]
    [InlineData("~", "null")]
    [InlineData("[a, {b: 1}]", """["a",{"b":1}]""")]
    [InlineData("{a: &x {b: 1}, c: *x}", """{"a":{"b":1},"c":{"b":1}}""")]
    [InlineData("{a: &x {b: 1, c: 2}, d: {<<: *x, c: 3}}", """{"a":{"b":1,"c":2},"d":{"c":3,"b":1}}""")]
    public void Scalars_mean_what_they_mean_to_Kubernetes(string yaml, string json) =>
        Assert.Equal(json, KubeYaml.Read("v: " + yaml)!["v"]?.ToJsonString() ?? "null");

    [Theory]
    [InlineData("a: 1\na: 2", "line 2")]
    [InlineData("a: [1, 2", "line")]
    [InlineData("a:\n  b: 1\n c: 2", "line 3")]
    [InlineData("x: 1\na: .inf", "line 2, column 4")]
    [InlineData("a: !!int x", "is not a")]
    [InlineData("a: !!js/function x", "is not a")]
    [InlineData("? {a: 1}\n: b", "a key must be a string")]
    [InlineData("a: *nowhere", "line 1")]
    public void A_mistake_is_reported_with_its_place(string yaml, string expected) =>
        Assert.Contains(expected, Assert.Throws<FormatException>(() => KubeYaml.ReadAll(yaml)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_file_may_hold_several_documents_and_empty_ones()
    {
        var documents = KubeYaml.ReadAll("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n");

        Assert.Equal(["""{"a":1}""", """{"b":2}"""], documents.Select(document => document.ToJsonString()));
        Assert.Equal(documents.Count, KubeYaml.ReadAll(KubeYaml.WriteAll(documents)).Count);
    }

    [Fact]
    public void Whatever_is_written_is_read_back_the_same() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(JsonArbitrary.Nodes, AssertRoundTrip));

    private static void AssertRoundTrip(JsonNode? node)
    {
        var yaml = KubeYaml.Write(node);
        var back = KubeYaml.Read(yaml);
        Assert.True(JsonNode.DeepEquals(node, back), $"{node?.ToJsonString()} came back as {back?.ToJsonString()} from:\n{yaml}");
    }
}
