using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Kubernetes.Tests.Model;

/// <summary>Random JSON whose strings are made of what troubles YAML.</summary>
internal static class JsonArbitrary
{
    private static readonly string[] Pieces =
    [
        "a", "Z", "0", "1", "9", "e", "x", "_", ".", "-", "+", ":", ": ", " #", "#", " ", "\n", "\n\n", "\t", "\r", "'", "\"", "\\", "/",
        "*", "&", "!", "%", "@", "`", "|", ">", "{", "}", "[", "]", ",", "?", "=", "<<", "~", "on", "null", "true", "\u0000", "\u001b",
        "\u0085", "\u00a0", "\u2028", "\ufeff", "é", "🐘", "---", "...",
    ];

    public static Arbitrary<JsonNode> Nodes { get; } = Arb.From(Gen.Sized(size => Node(Math.Min(size, 30))));

    private static Gen<string> Text => Gen.ListOf(Gen.Elements(Pieces)).Select(pieces => string.Concat(pieces));

    private static Gen<JsonNode> Node(int size) => size < 2 ? Leaf : Gen.OneOf(Leaf, Map(size / 2), List(size / 2));

    private static Gen<JsonNode> Leaf => Gen.OneOf(
        Text.Select(text => (JsonNode)JsonValue.Create(text)),
        ArbMap.Default.GeneratorFor<long>().Select(number => (JsonNode)JsonValue.Create(number)),
        ArbMap.Default.GeneratorFor<NormalFloat>().Select(number => (JsonNode)JsonValue.Create(number.Get)),
        ArbMap.Default.GeneratorFor<bool>().Select(flag => (JsonNode)JsonValue.Create(flag)));

    private static Gen<JsonNode> Map(int size) =>
        Gen.ListOf(Text.SelectMany(_ => Node(size), (key, value) => (key, value))).Select(pairs =>
        {
            var map = new JsonObject();
            foreach (var (key, value) in pairs)
                map[key] = value.DeepClone();
            return (JsonNode)map;
        });

    private static Gen<JsonNode> List(int size) =>
        Gen.ListOf(Node(size)).Select(items => (JsonNode)new JsonArray([.. items.Select(item => item.DeepClone())]));
}
