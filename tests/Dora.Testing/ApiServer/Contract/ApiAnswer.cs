using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xunit;

namespace Dora.Testing.ApiServer.Contract;

/// <summary>What an API server answered.</summary>
/// <param name="Code">HTTP status code.</param>
/// <param name="Body">The body if it is JSON, else empty.</param>
/// <param name="Text">The body.</param>
/// <param name="Headers">The headers.</param>
public sealed record ApiAnswer(int Code, JsonObject Body, string Text, HttpResponseHeaders Headers)
{
    public string? Reason => (string?)Body["reason"];

    public string? Message => (string?)Body["message"];

    public string Version => (string)Body["metadata"]!["resourceVersion"]!;

    public string Uid => (string)Body["metadata"]!["uid"]!;

    public long Generation => (long)Body["metadata"]!["generation"]!;

    public JsonNode? this[string field] => Body[field];

    /// <summary>The fields that a manager owns, or null.</summary>
    public JsonObject? OwnedBy(string manager) => (Body["metadata"]!["managedFields"] as JsonArray ?? [])
        .FirstOrDefault(entry => (string?)entry!["manager"] == manager)?["fieldsV1"]?.AsObject();

    public ApiAnswer Must(int code)
    {
        Assert.True(Code == code, $"expected {code}, got {Code}: {Text}");
        return this;
    }
}

/// <summary>One frame of a watch.</summary>
public sealed record Frame(string Type, JsonObject Object)
{
    public string? Name => (string?)Object["metadata"]?["name"];

    public string? Version => (string?)Object["metadata"]?["resourceVersion"];
}

/// <summary>Plain HTTP and JSON to an API server; no client of ours between the test and the server.</summary>
public sealed class RawClient(HttpClient http)
{
    public const string ApplyType = "application/apply-patch+yaml";
    public const string MergeType = "application/merge-patch+json";
    public const string JsonPatchType = "application/json-patch+json";
    public const string StrategicType = "application/strategic-merge-patch+json";

    private static readonly JsonSerializerOptions Relaxed = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public Task<ApiAnswer> Get(string path) => Send(HttpMethod.Get, path);

    public Task<ApiAnswer> Post(string path, JsonNode body) => Send(HttpMethod.Post, path, body.ToJsonString(Relaxed), "application/json");

    public Task<ApiAnswer> Put(string path, JsonNode body) => Send(HttpMethod.Put, path, body.ToJsonString(Relaxed), "application/json");

    public Task<ApiAnswer> Delete(string path, JsonNode? options = null) => Send(HttpMethod.Delete, path, options?.ToJsonString(), "application/json");

    public Task<ApiAnswer> Patch(string path, JsonNode patch, string type = MergeType) => Send(HttpMethod.Patch, path, patch.ToJsonString(Relaxed), type);

    public Task<ApiAnswer> Apply(string path, JsonNode config, string manager = "one", bool force = false) =>
        Send(HttpMethod.Patch, $"{path}{(path.Contains('?') ? '&' : '?')}fieldManager={manager}{(force ? "&force=true" : "")}", config.ToJsonString(Relaxed), ApplyType);

    public async Task<ApiAnswer> Send(HttpMethod method, string path, string? body = null, string type = "application/json")
    {
        using var request = new HttpRequestMessage(method, path);
        if (body is not null)
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        }

        using var response = await http.SendAsync(request, Token);
        var text = await response.Content.ReadAsStringAsync(Token);
        var json = text.StartsWith('{') ? JsonNode.Parse(text)!.AsObject() : [];
        return new((int)response.StatusCode, json, text, response.Headers);
    }

    /// <summary>Opens a watch; the stream ends with the enumeration.</summary>
    public async Task<OpenWatch> Watch(string path)
    {
        var response = await http.GetAsync(new Uri(path, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, Token);
        return new(response, new StreamReader(await response.Content.ReadAsStreamAsync(Token)));
    }
}

/// <summary>A watch under way.</summary>
public sealed class OpenWatch(HttpResponseMessage response, StreamReader reader) : IDisposable
{
    public int Code => (int)response.StatusCode;

    /// <summary>The next frame, waited for 20 s unless told; null when the stream has ended.</summary>
    public async Task<Frame?> Next(TimeSpan? patience = null)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(RawClient.Token);
        deadline.CancelAfter(patience ?? TimeSpan.FromSeconds(20));
        var line = await reader.ReadLineAsync(deadline.Token);
        if (line is null)
            return null;
        var frame = JsonNode.Parse(line)!;
        return new((string)frame["type"]!, frame["object"]!.AsObject());
    }

    /// <summary>The next frame that is no bookmark.</summary>
    public async Task<Frame> NextChange(TimeSpan? patience = null)
    {
        while (true)
        {
            var frame = await Next(patience) ?? throw new InvalidOperationException("the watch ended");
            if (frame.Type != "BOOKMARK")
                return frame;
        }
    }

    public void Dispose()
    {
        reader.Dispose();
        response.Dispose();
    }
}
