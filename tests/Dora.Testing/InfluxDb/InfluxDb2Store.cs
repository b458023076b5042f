using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Testing.InfluxDb;

/// <summary>What a server of <see cref="InfluxDb2Server"/> keeps: objects by kind, points, queues, and tokens that are never shown.</summary>
public sealed class InfluxDb2Store
{
    private readonly Dictionary<string, List<JsonObject>> kinds = new(StringComparer.Ordinal);
    private readonly string salt;
    private long last;

    /// <param name="first">Where IDs start: two servers give different ones.</param>
    public InfluxDb2Store(long first = 0x0a00_0000_0000_0000)
    {
        last = first;
        salt = first.ToString("x", CultureInfo.InvariantCulture);
    }

    /// <summary>Whether somebody claimed the server.</summary>
    public bool IsSetUp => Of("users").Count > 0;

    /// <summary>Lines written, by bucket ID.</summary>
    public Dictionary<string, List<string>> Points { get; } = new(StringComparer.Ordinal);

    /// <summary>What waits to be sent, by replication ID.</summary>
    public Dictionary<string, Queue<string>> Queues { get; } = new(StringComparer.Ordinal);

    /// <summary>Tokens of remotes by ID.</summary>
    public Dictionary<string, string> RemoteTokens { get; } = new(StringComparer.Ordinal);

    /// <summary>Hashes of passwords, by user ID.</summary>
    public Dictionary<string, byte[]> Passwords { get; } = new(StringComparer.Ordinal);

    /// <summary>Users who own an organisation, by IDs.</summary>
    public HashSet<(string Org, string User)> Owners { get; } = [];

    /// <summary>Objects of a kind, in the order in which they were made.</summary>
    public List<JsonObject> Of(string kind) => kinds.TryGetValue(kind, out var list) ? list : kinds[kind] = [];

    /// <summary>The object of an ID, or a refusal.</summary>
    public JsonObject Find(string kind, string? id) =>
        Of(kind).FirstOrDefault(candidate => (string?)candidate["id"] == id) ?? throw InfluxDb2RefusedException.NotFound($"{kind} not found");

    /// <summary>Keeps an object under a new ID.</summary>
    public JsonObject Add(string kind, JsonObject value)
    {
        value["id"] = (++last).ToString("x16", CultureInfo.InvariantCulture);
        Of(kind).Add(value);
        return value;
    }

    /// <summary>A token that nobody can guess from another.</summary>
    public string NewToken() => Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes($"{salt}/{last}")));
}
