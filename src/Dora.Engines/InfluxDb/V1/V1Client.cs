using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dora.Engines.InfluxDb.V1;

/// <summary>InfluxDB 1.x over HTTP (InfluxDB 1.8 documentation, "InfluxDB API reference"): <c>POST /query</c>, as one user.</summary>
internal sealed class V1Client(InfluxHttp http)
{
    /// <summary>Says statements, separated by semicolons, and reads a result for each; the first that is refused throws.</summary>
    /// <param name="statements">InfluxQL.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <param name="secret">A password in the statements, which no message may repeat.</param>
    /// <exception cref="InfluxException">The server does not answer, or refuses.</exception>
    public async Task<IReadOnlyList<V1Result>> QueryAsync(string statements, CancellationToken cancellationToken, string? secret = null) =>
        (await AskAsync(statements, secret, cancellationToken).ConfigureAwait(false)).Results;

    /// <summary>The same, with the version that the server says it is.</summary>
    public async Task<(IReadOnlyList<V1Result> Results, string? Version)> AskAsync(string statements, string? secret, CancellationToken cancellationToken)
    {
        // In the body: an address would stand in logs.
        using var content = new FormUrlEncodedContent([new("q", statements)]);
        var reply = await http.SendAsync(HttpMethod.Post, "query", content, cancellationToken).ConfigureAwait(false);
        return (Read(reply, secret), reply.Version);
    }

    /// <summary>Reads a reply: HTTP says 200 also when a statement was refused.</summary>
    internal static IReadOnlyList<V1Result> Read(InfluxReply reply, string? secret)
    {
        V1Reply body;
        try
        {
            body = JsonSerializer.Deserialize(reply.Body, V1Json.Default.V1Reply) ?? throw new JsonException("null");
        }
        catch (JsonException exception)
        {
            // A proxy or a server that starts answers in other words; the status is then all there is.
            throw reply.IsSuccess
                ? new InfluxException(InfluxFault.Malformed, "a reply to a query is not as documented", exception)
                : InfluxHttp.Failure(reply, null, "no reason given");
        }

        if (!reply.IsSuccess)
            throw InfluxHttp.Failure(reply, null, body.Error ?? "no reason given", secret);
        var error = body.Error ?? body.Results?.Select(result => result?.Error).FirstOrDefault(text => text is not null);
        if (error is not null)
            throw new InfluxException(InfluxFault.Refused, $"the server refuses: {InfluxHttp.Quote(error, secret)}");
        return [.. (body.Results ?? throw new InfluxException(InfluxFault.Malformed, "a reply to a query has no results")).Select(result => new V1Result(
            [.. (result?.Series ?? []).Select(series => Table(series ?? throw new InfluxException(InfluxFault.Malformed, "a series is null")))]))];
    }

    private static V1Table Table(V1Series series)
    {
        var columns = series.Columns ?? throw new InfluxException(InfluxFault.Malformed, "a series has no columns");
        var rows = new List<IReadOnlyDictionary<string, string>>();
        foreach (var values in series.Values ?? [])
        {
            if (values is null || values.Count != columns.Count)
                throw new InfluxException(InfluxFault.Malformed, "a row has not as many values as there are columns");
            var row = new Dictionary<string, string>(StringComparer.Ordinal);
            for (var i = 0; i < columns.Count; i++)
                row[columns[i] ?? ""] = Text(values[i]);
            rows.Add(row);
        }

        return new(series.Name ?? "", rows);
    }

    private static string Text(JsonElement value)
    {
        try
        {
            return value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        }
        catch (InvalidOperationException exception)
        {
            // Half of a surrogate pair, or no UTF-8: found only when the text is taken out.
            throw new InfluxException(InfluxFault.Malformed, "a value is not text", exception);
        }
    }
}

/// <summary>What one statement gave.</summary>
internal sealed record V1Result(IReadOnlyList<V1Table> Tables);

/// <summary>A series: rows by column name. Numbers and booleans as they stand in the JSON.</summary>
internal sealed record V1Table(string Name, IReadOnlyList<IReadOnlyDictionary<string, string>> Rows);

internal sealed record V1Reply(IReadOnlyList<V1Statement?>? Results = null, string? Error = null);

internal sealed record V1Statement(IReadOnlyList<V1Series?>? Series = null, string? Error = null);

internal sealed record V1Series(string? Name = null, IReadOnlyList<string?>? Columns = null, IReadOnlyList<IReadOnlyList<JsonElement>?>? Values = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, MaxDepth = 16)]
[JsonSerializable(typeof(V1Reply))]
internal sealed partial class V1Json : JsonSerializerContext;
