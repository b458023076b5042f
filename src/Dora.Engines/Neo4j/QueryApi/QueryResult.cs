using System.Text.Json;

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>What a statement gave: rows under named columns, and what a later read has to wait for to see it.</summary>
/// <param name="Fields">Names of the columns.</param>
/// <param name="Rows">Rows, each with a value for each column.</param>
/// <param name="Bookmarks">To be sent with a later statement, so that another member catches up first.</param>
internal sealed record QueryResult(IReadOnlyList<string> Fields, IReadOnlyList<QueryRow> Rows, IReadOnlyList<string> Bookmarks)
{
    // More than any answer that the operator asks for; each is checked before anything is kept of it.
    private const int MostBookmarks = 64;
    private const int MostErrors = 16;
    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 32 };

    /// <summary>
    /// Reads a reply. Errors come with any status, also 202, so they are looked for first.
    /// </summary>
    /// <exception cref="QueryException">The server reported an error, or the reply is not one of the Query API.</exception>
    public static QueryResult Parse(ReadOnlyMemory<byte> body, int status)
    {
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(body, Options);
            root = document.RootElement.Clone();
        }
        catch (JsonException exception)
        {
            throw ByStatus(status, exception) ?? Malformed("is not JSON", exception);
        }

        try
        {
            return Read(root, status);
        }
        catch (InvalidOperationException exception)
        {
            // A string that is not valid UTF-16 once its escapes are read.
            throw Malformed("holds text that cannot be read", exception);
        }
    }

    private static QueryResult Read(JsonElement root, int status)
    {
        if (root.ValueKind != JsonValueKind.Object)
            throw ByStatus(status) ?? Malformed("is not an object");
        if (root.TryGetProperty("errors", out var errors))
            ThrowFirst(errors, status);
        if (ByStatus(status) is { } failure)
            throw failure;
        if (!root.TryGetProperty("data", out var data) || data.ValueKind != JsonValueKind.Object)
            throw Malformed("has neither data nor errors");
        var fields = Texts(data, "fields", int.MaxValue) ?? throw Malformed("has no list of fields");
        return new(fields, Values(data, fields), Texts(root, "bookmarks", MostBookmarks) ?? []);
    }

    private static List<QueryRow> Values(JsonElement data, List<string> fields)
    {
        if (!data.TryGetProperty("values", out var values) || values.ValueKind != JsonValueKind.Array)
            throw Malformed("has no list of values");
        var rows = new List<QueryRow>(values.GetArrayLength());
        foreach (var row in values.EnumerateArray())
        {
            if (row.ValueKind != JsonValueKind.Array || row.GetArrayLength() != fields.Count)
                throw Malformed("has a row that does not fit its fields");
            rows.Add(new(fields, row));
        }

        return rows;
    }

    private static List<string>? Texts(JsonElement parent, string name, int most)
    {
        if (!parent.TryGetProperty(name, out var list) || list.ValueKind == JsonValueKind.Null)
            return null;
        if (list.ValueKind != JsonValueKind.Array || list.GetArrayLength() > most)
            throw Malformed($"has {name} that are not a short list");
        var texts = new List<string>(list.GetArrayLength());
        foreach (var item in list.EnumerateArray())
            texts.Add(item.ValueKind == JsonValueKind.String ? item.GetString()! : throw Malformed($"has {name} that are not texts"));
        return texts;
    }

    // The first that says most: several come when one caused the others.
    private static void ThrowFirst(JsonElement errors, int status)
    {
        if (errors.ValueKind == JsonValueKind.Null || (errors.ValueKind == JsonValueKind.Array && errors.GetArrayLength() == 0))
            return;
        if (errors.ValueKind != JsonValueKind.Array)
            throw Malformed("has errors that are not a list");
        foreach (var error in errors.EnumerateArray().Take(MostErrors))
        {
            if (error.ValueKind == JsonValueKind.Object && Text(error, "code") is { Length: > 0 and < 200 } code)
                throw new QueryException(QueryException.KindOf(code), code, Text(error, "message") ?? "");
        }

        throw ByStatus(status) ?? Malformed("has an error without a code");
    }

    private static string? Text(JsonElement item, string name) =>
        item.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static QueryException? ByStatus(int status, Exception? inner = null) => status switch
    {
        >= 200 and < 300 => null,
        401 => new(QueryErrorKind.Unauthorized, "", "name or password are refused", inner),
        404 => new(QueryErrorKind.Rejected, "", "the server does not serve the Query API here", inner),
        408 or 429 or >= 500 => new(QueryErrorKind.Unavailable, "", $"the server answers {status}", inner),
        _ => new(QueryErrorKind.Rejected, "", $"the server answers {status}", inner),
    };

    public static QueryException Malformed(string problem, Exception? inner = null) => new(QueryErrorKind.Malformed, "", $"the reply {problem}", inner);
}

/// <summary>One row. A value of another type than asked for is an error of the reply; an absent or null one is null.</summary>
internal sealed class QueryRow(IReadOnlyList<string> fields, JsonElement values)
{
    /// <summary>A text.</summary>
    public string? Text(string field) => Value(field) is not { } value ? null
        : Read(value) ?? throw Wrong(field);

    /// <summary>A whole number.</summary>
    public long? Number(string field) => Value(field) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : throw Wrong(field);

    /// <summary>Yes or no.</summary>
    public bool? Flag(string field) => Value(field) is not { } value ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(field);

    /// <summary>A list of texts.</summary>
    public IReadOnlyList<string>? Texts(string field)
    {
        if (Value(field) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(field);
        return [.. value.EnumerateArray().Select(item => Read(item) ?? throw Wrong(field))];
    }

    private JsonElement? Value(string field)
    {
        for (var i = 0; i < fields.Count; i++)
        {
            if (fields[i] == field)
                return values[i].ValueKind == JsonValueKind.Null ? null : values[i];
        }

        return null;
    }

    private static string? Read(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            // Escapes that are no text, e.g. half a surrogate pair.
            return null;
        }
    }

    private static QueryException Wrong(string field) => QueryResult.Malformed($"has an unexpected type in column {field}");
}
