using System.Buffers;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Dora.Engines.Neo4j.QueryApi;

/// <summary>A member as it is reached.</summary>
/// <param name="Address">IP address or host.</param>
/// <param name="Host">Name that its certificate is for, and that goes into the Host header; null: the address.</param>
internal readonly record struct QueryEndpoint(string Address, string? Host = null);

/// <summary>What a server says of itself to anyone.</summary>
internal sealed record ServerIdentity(string Version, string Edition);

/// <summary>
/// Neo4j's Query API v2 (Neo4j documentation, "Query API"; default since 5.25), as far as the operator speaks it: single statements
/// in implicit transactions. Every call has a deadline, every reply a greatest size.
/// </summary>
internal sealed class QueryClient(QueryTransport transport, string user, string password, TimeSpan patience, TimeProvider? clock = null)
{
    /// <summary>Greatest reply that is read (bytes): far more than the lists of users, databases and indexes that are asked for.</summary>
    public const int LargestReply = 4 << 20;

    private const int LargestIdentity = 64 << 10;

    private readonly AuthenticationHeaderValue _authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    /// <summary>Version and edition, from the discovery document that needs no password.</summary>
    public async Task<ServerIdentity> IdentifyAsync(QueryEndpoint endpoint, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Get, endpoint, "");
        var (status, body) = await SendAsync(request, LargestIdentity, cancellationToken).ConfigureAwait(false);
        if (status is < 200 or >= 300)
            throw new QueryException(QueryErrorKind.Unavailable, "", $"the server answers {status}");
        return ParseIdentity(body);
    }

    /// <summary>Runs a statement on a member.</summary>
    /// <exception cref="QueryException">The server reported an error, did not answer in time, or answered something else.</exception>
    public async Task<QueryResult> RunAsync(QueryEndpoint endpoint, string database, Query query, IReadOnlyCollection<string> bookmarks, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, endpoint, $"db/{Uri.EscapeDataString(database)}/query/v2");
        request.Headers.Authorization = _authorization;
        request.Content = new ReadOnlyMemoryContent(query.Encode(bookmarks));
        request.Content.Headers.ContentType = new("application/json");
        var (status, body) = await SendAsync(request, LargestReply, cancellationToken).ConfigureAwait(false);
        return QueryResult.Parse(body, status);
    }

    /// <summary>Reads the discovery document; throws <see cref="QueryException"/> when it is none.</summary>
    public static ServerIdentity ParseIdentity(ReadOnlyMemory<byte> body)
    {
        try
        {
            using var document = JsonDocument.Parse(body, new() { MaxDepth = 8 });
            var root = document.RootElement;
            if (root.ValueKind == JsonValueKind.Object && Short(root, "neo4j_version") is { } version && Short(root, "neo4j_edition") is { } edition)
                return new(version, edition);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw QueryResult.Malformed("is not JSON", exception);
        }

        throw QueryResult.Malformed("names no version and edition");
    }

    private static string? Short(JsonElement root, string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 and <= 64 } text && text.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' or '+')
            ? text
            : null;

    private HttpRequestMessage Request(HttpMethod method, QueryEndpoint endpoint, string path)
    {
        var request = new HttpRequestMessage(method, transport.Address(endpoint.Address, path));
        request.Headers.Host = endpoint.Host is null ? null : $"{endpoint.Host}:{transport.Port}";
        request.Headers.Accept.Add(new("application/json"));
        return request;
    }

    private async Task<(int Status, ReadOnlyMemory<byte> Body)> SendAsync(HttpRequestMessage request, int largest, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(patience, clock ?? TimeProvider.System);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            using var response = await transport.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, both.Token).ConfigureAwait(false);
            return ((int)response.StatusCode, await BodyAsync(response, largest, both.Token).ConfigureAwait(false));
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new QueryException(QueryErrorKind.Unavailable, "", "did not answer in time", exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            throw new QueryException(QueryErrorKind.Unavailable, "", "does not answer", exception);
        }
    }

    // The length that a server announces is neither trusted nor allocated: the buffer grows with what really comes.
    private static async Task<ReadOnlyMemory<byte>> BodyAsync(HttpResponseMessage response, int largest, CancellationToken cancellationToken)
    {
        var body = new ArrayBufferWriter<byte>(4096);
        using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        while (true)
        {
            var read = await stream.ReadAsync(body.GetMemory(4096), cancellationToken).ConfigureAwait(false);
            if (read == 0)
                return body.WrittenMemory;
            body.Advance(read);
            if (body.WrittenCount > largest)
                throw QueryResult.Malformed($"is larger than {largest} bytes");
        }
    }
}
