using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Dora.Kubernetes.Model;

/// <summary>
/// JSON &lt;-&gt; YAML as Kubernetes' own tools do it. Writing is deterministic: block style, fields in the order of the node,
/// strings quoted exactly where some YAML reader would take them for something else.
/// </summary>
public static class KubeYaml
{
    private const string MergeKey = "<<";

    /// <summary>One document, ending in a newline.</summary>
    public static string Write(JsonNode? node)
    {
        var yaml = new StringBuilder();
        switch (node)
        {
            case JsonObject { Count: > 0 } map:
                WriteMap(yaml, map, 0, firstLineIndented: true);
                break;
            case JsonArray { Count: > 0 } list:
                WriteList(yaml, list, 0, firstLineIndented: true);
                break;
            default:
                WriteScalar(yaml, node, 0);
                break;
        }

        return yaml.ToString();
    }

    /// <summary>Several documents, each introduced by <c>---</c>.</summary>
    public static string WriteAll(IEnumerable<JsonNode> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        return string.Concat(documents.Select(document => "---\n" + Write(document)));
    }

    /// <summary>Reads exactly one document.</summary>
    /// <exception cref="FormatException">Not YAML, or not expressible as JSON; names line and column.</exception>
    public static JsonNode? Read(string yaml)
    {
        var documents = ReadAll(yaml);
        return documents.Count == 1 ? documents[0] : throw new FormatException($"expected one YAML document, found {documents.Count}");
    }

    /// <summary>Reads every document of a file; empty documents are left out.</summary>
    /// <exception cref="FormatException">Not YAML, or not expressible as JSON; names line and column.</exception>
    public static IReadOnlyList<JsonNode> ReadAll(string yaml)
    {
        ArgumentNullException.ThrowIfNull(yaml);
        try
        {
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return [.. stream.Documents.Select(document => ToJson(document.RootNode, depth: 0)).OfType<JsonNode>()];
        }
        catch (YamlException error)
        {
            throw new FormatException($"YAML line {error.Start.Line}, column {error.Start.Column}: {error.Message}", error);
        }
    }

    private static void WriteMap(StringBuilder yaml, JsonObject map, int indent, bool firstLineIndented)
    {
        foreach (var (key, value) in map)
        {
            if (firstLineIndented)
                yaml.Append(' ', indent);
            firstLineIndented = true;
            yaml.Append(YamlScalar.Quote(key)).Append(':');
            switch (value)
            {
                case JsonObject { Count: > 0 } child:
                    yaml.Append('\n');
                    WriteMap(yaml, child, indent + 2, firstLineIndented: true);
                    break;
                case JsonArray { Count: > 0 } child:
                    yaml.Append('\n');
                    WriteList(yaml, child, indent, firstLineIndented: true);
                    break;
                default:
                    yaml.Append(' ');
                    WriteScalar(yaml, value, indent + 2);
                    break;
            }
        }
    }

    private static void WriteList(StringBuilder yaml, JsonArray list, int indent, bool firstLineIndented)
    {
        foreach (var value in list)
        {
            if (firstLineIndented)
                yaml.Append(' ', indent);
            firstLineIndented = true;
            yaml.Append("- ");
            switch (value)
            {
                case JsonObject { Count: > 0 } child:
                    WriteMap(yaml, child, indent + 2, firstLineIndented: false);
                    break;
                case JsonArray { Count: > 0 } child:
                    WriteList(yaml, child, indent + 2, firstLineIndented: false);
                    break;
                default:
                    WriteScalar(yaml, value, indent + 2);
                    break;
            }
        }
    }

    private static void WriteScalar(StringBuilder yaml, JsonNode? value, int indent)
    {
        if (value is JsonValue scalar && scalar.GetValueKind() == JsonValueKind.String)
            WriteString(yaml, scalar.GetValue<string>(), indent);
        else
            yaml.Append(value?.ToJsonString() ?? "null").Append('\n');
    }

    private static void WriteString(StringBuilder yaml, string text, int indent)
    {
        if (!YamlScalar.FitsLiteralBlock(text))
        {
            yaml.Append(YamlScalar.Quote(text)).Append('\n');
            return;
        }

        var body = text.TrimEnd('\n');
        yaml.Append((text.Length - body.Length) switch { 0 => "|-", 1 => "|", _ => "|+" }).Append('\n');
        foreach (var line in body.Split('\n'))
            yaml.Append(' ', line.Length == 0 ? 0 : Math.Max(indent, 2)).Append(line).Append('\n');
        yaml.Append('\n', Math.Max(0, text.Length - body.Length - 1));
    }

    private static JsonNode? ToJson(YamlNode node, int depth)
    {
        if (depth > 100)
            throw Error(node, "nested more than 100 levels");
        return node switch
        {
            YamlScalarNode scalar => ScalarToJson(scalar),
            YamlSequenceNode list => new JsonArray([.. list.Children.Select(child => ToJson(child, depth + 1))]),
            YamlMappingNode map => MapToJson(map, depth),
            _ => throw Error(node, "an alias to an unknown anchor"),
        };
    }

    private static JsonObject MapToJson(YamlMappingNode map, int depth)
    {
        var result = new JsonObject();
        var merged = new List<JsonObject>();
        foreach (var (keyNode, valueNode) in map.Children)
        {
            var key = keyNode is YamlScalarNode { Value: { } text } ? text : throw Error(keyNode, "a key must be a string");
            var value = ToJson(valueNode, depth + 1);
            if (key == MergeKey && ((YamlScalarNode)keyNode).Style == ScalarStyle.Plain)
                merged.AddRange(value is JsonArray several ? several.Select(one => MergeSource(one, valueNode)) : [MergeSource(value, valueNode)]);
            else
                result[key] = value;
        }

        foreach (var (key, value) in merged.SelectMany(source => source).Where(pair => !result.ContainsKey(pair.Key)).ToList())
            result.TryAdd(key, value?.DeepClone());
        return result;
    }

    private static JsonObject MergeSource(JsonNode? node, YamlNode at) => node as JsonObject ?? throw Error(at, "<< needs a map");

    private static JsonNode? ScalarToJson(YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Tag.IsEmpty)
            return scalar.Style == ScalarStyle.Plain ? Resolved(scalar, text) : JsonValue.Create(text);
        return scalar.Tag.IsNonSpecific ? JsonValue.Create(text) : Tagged(scalar, text);
    }

    private static JsonNode? Tagged(YamlScalarNode scalar, string text)
    {
        var kind = scalar.Tag.Value;
        if (kind == "tag:yaml.org,2002:str")
            return JsonValue.Create(text);
        var value = Resolved(scalar, text);
        var fits = (kind, value?.GetValueKind()) is
            ("tag:yaml.org,2002:null", null)
            or ("tag:yaml.org,2002:bool", JsonValueKind.True or JsonValueKind.False)
            or ("tag:yaml.org,2002:int" or "tag:yaml.org,2002:float", JsonValueKind.Number);
        return fits ? value : throw Error(scalar, $"'{text}' is not a {kind}");
    }

    private static JsonNode? Resolved(YamlScalarNode scalar, string text) =>
        YamlScalar.Resolve(text) is JsonValue value && value.TryGetValue<double>(out var number) && !double.IsFinite(number)
            ? throw Error(scalar, $"'{text}' has no JSON form; quote it if it is a string")
            : YamlScalar.Resolve(text);

    private static FormatException Error(YamlNode node, string problem) =>
        new(string.Create(CultureInfo.InvariantCulture, $"YAML line {node.Start.Line}, column {node.Start.Column}: {problem}"));
}
