using System.Globalization;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>KV version 2.</summary>
internal sealed class VaultKeyValues(TimeProvider clock) : IVaultMount
{
    private readonly SortedDictionary<string, List<Entry>> _entries = new(StringComparer.Ordinal);

    public string Type => "kv";

    public bool Exists(string path) => path.StartsWith("data/", StringComparison.Ordinal) && _entries.ContainsKey(path["data/".Length..]);

    public VaultReply Answer(VaultCall call, string path)
    {
        var (part, key) = path.Split('/', 2) is [var first, var rest] ? (first, rest) : (path, "");
        return (part, call.Operation) switch
        {
            ("data", "read") => Read(key, call.Version),
            ("data", "create" or "update") => Write(key, call),
            ("data", "patch") => Patch(key, call),
            ("data", "delete") => Delete(key),
            ("metadata", "read") => Metadata(key),
            ("metadata", "list") => List(key),
            ("metadata", "delete") => Forget(key),
            ("destroy", "create" or "update") => Destroy(key, call),
            _ => VaultReply.Errors(405, "unsupported operation"),
        };
    }

    private VaultReply Read(string key, int? version)
    {
        if (!_entries.TryGetValue(key, out var entries) || version > entries.Count)
            return VaultReply.Nothing;
        var number = version is null or 0 ? entries.Count : version.Value;
        var entry = entries[number - 1];
        return VaultReply.Data(new JsonObject { ["data"] = entry.Gone ? null : entry.Data.DeepClone(), ["metadata"] = entry.Describe(number) }, entry.Gone ? 404 : 200);
    }

    private VaultReply Write(string key, VaultCall call)
    {
        if (call.Body["data"] is not JsonObject data)
            return VaultReply.Errors(400, "no data provided");
        return Add(key, call, data);
    }

    private VaultReply Patch(string key, VaultCall call)
    {
        if (call.MediaType != "application/merge-patch+json")
            return VaultReply.Errors(415, "PATCH requires Content-Type of application/merge-patch+json, provided " + call.MediaType);
        if (!_entries.TryGetValue(key, out var entries) || entries[^1].Gone)
            return VaultReply.Nothing;
        var merged = entries[^1].Data.DeepClone().AsObject();
        foreach (var (name, value) in call.Body["data"]?.AsObject() ?? [])
        {
            if (value is null)
                merged.Remove(name);
            else
                merged[name] = value.DeepClone();
        }

        return Add(key, call, merged);
    }

    private VaultReply Add(string key, VaultCall call, JsonObject data)
    {
        var newest = _entries.GetValueOrDefault(key)?.Count ?? 0;
        if (call.Body["options"]?["cas"] is { } cas && (int)cas != newest)
            return VaultReply.Errors(400, "check-and-set parameter did not match the current version");
        if (newest == 0)
            _entries[key] = [];
        var entry = new Entry(data.DeepClone().AsObject(), Now());
        _entries[key].Add(entry);
        return VaultReply.Data(entry.Describe(newest + 1));
    }

    private VaultReply Delete(string key)
    {
        if (_entries.TryGetValue(key, out var entries))
            entries[^1] = entries[^1] with { DeletedAt = Now() };
        return VaultReply.Done;
    }

    private VaultReply Forget(string key)
    {
        _entries.Remove(key);
        return VaultReply.Done;
    }

    private VaultReply Destroy(string key, VaultCall call)
    {
        foreach (var number in call.Body["versions"]?.AsArray().Select(version => (int)version!) ?? [])
        {
            if (_entries.TryGetValue(key, out var entries) && number <= entries.Count)
                entries[number - 1] = entries[number - 1] with { Destroyed = true };
        }

        return VaultReply.Done;
    }

    private VaultReply Metadata(string key)
    {
        if (!_entries.TryGetValue(key, out var entries))
            return VaultReply.Nothing;
        var versions = new JsonObject();
        for (var number = 1; number <= entries.Count; number++)
        {
            var described = entries[number - 1].Describe(number);
            described.Remove("version");
            versions[number.ToString(CultureInfo.InvariantCulture)] = described;
        }

        return VaultReply.Data(new JsonObject { ["cas_required"] = false, ["current_version"] = entries.Count, ["oldest_version"] = 0, ["created_time"] = entries[0].CreatedAt, ["versions"] = versions });
    }

    private VaultReply List(string folder)
    {
        var prefix = folder.Length == 0 ? "" : folder.TrimEnd('/') + "/";
        var names = _entries.Keys
            .Where(key => key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(key => key[prefix.Length..])
            .Select(rest => rest.IndexOf('/', StringComparison.Ordinal) is >= 0 and var slash ? rest[..(slash + 1)] : rest)
            .Distinct()
            .ToList();
        return names.Count == 0 ? VaultReply.Nothing : VaultReply.Data(new JsonObject { ["keys"] = new JsonArray([.. names.Select(name => (JsonNode)name)]) });
    }

    private string Now() => clock.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ", CultureInfo.InvariantCulture);

    private sealed record Entry(JsonObject Data, string CreatedAt, string DeletedAt = "", bool Destroyed = false)
    {
        public bool Gone => Destroyed || DeletedAt.Length > 0;

        public JsonObject Describe(int number) => new() { ["created_time"] = CreatedAt, ["custom_metadata"] = null, ["deletion_time"] = DeletedAt, ["destroyed"] = Destroyed, ["version"] = number };
    }
}
