using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Testing.Neo4j;

/// <summary>Rows under columns, and what YIELD and WHERE leave of them.</summary>
internal sealed partial class Neo4jTable(params string[] columns)
{
    private readonly List<JsonNode?[]> _rows = [];

    public static Neo4jTable Empty { get; } = new();

    public void Add(params JsonNode?[] row) => _rows.Add(row);

    public static JsonArray List(IEnumerable<string> items) => [.. items.Select(item => (JsonNode?)JsonValue.Create(item))];

    /// <summary>Applies what stands behind a SHOW command.</summary>
    public JsonObject Select(string rest)
    {
        var clause = Clause().Match(rest);
        if (!clause.Success)
            throw Neo4jCypher.Syntax(rest);
        var fields = clause.Groups["fields"] is { Success: true } given && given.Value.Trim() != "*" ? given.Value.Split(',').Select(field => field.Trim()).ToArray() : columns;
        var rows = _rows.Where(row => !clause.Groups["where"].Success || clause.Groups["where"].Value.Split(" AND ").All(test => Holds(test.Trim(), row)));
        return new()
        {
            ["fields"] = List(fields),
            ["values"] = new JsonArray([.. rows.Select(row => (JsonNode?)new JsonArray([.. fields.Select(field => row[Index(field)]?.DeepClone())]))]),
        };
    }

    private bool Holds(string test, JsonNode?[] row)
    {
        var match = Test().Match(test);
        if (!match.Success)
            throw Neo4jCypher.Syntax(test);
        var value = row[Index(match.Groups["field"].Value)];
        return match.Groups["operator"].Value switch
        {
            "IS NULL" => value is null,
            "=" => (string?)value == match.Groups["value"].Value,
            _ => value is not null && (string?)value != match.Groups["value"].Value,
        };
    }

    private int Index(string field) => Array.IndexOf(columns, field) is >= 0 and var index ? index : throw new Neo4jException("Neo.ClientError.Statement.SyntaxError", $"Variable `{field}` not defined");

    [GeneratedRegex(@"^(\s+YIELD\s+(?<fields>\*|[A-Za-z]+(\s*,\s*[A-Za-z]+)*))?(\s+WHERE\s+(?<where>.+))?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Clause();

    [GeneratedRegex(@"^(?<field>[A-Za-z]+)\s+(?<operator>IS NULL|=|<>)(\s+'(?<value>[^']*)')?$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Test();
}
