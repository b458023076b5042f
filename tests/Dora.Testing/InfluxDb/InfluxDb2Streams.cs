using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Testing.InfluxDb;

/// <summary>Remotes and replications.</summary>
internal static class InfluxDb2Streams
{
    private const long LeastQueue = 33554430;

    public static InfluxDb2Reply? Answer(InfluxDb2Call call) => (call.Method, call.Resource) switch
    {
        ("GET", "remotes") => InfluxDb2Tenants.Allowed(call, "read", "remotes", () => List(call, "remotes")),
        ("POST", "remotes") => InfluxDb2Tenants.Allowed(call, "write", "remotes", () => new(201, CreateRemote(call))),
        ("PATCH", "remotes") => InfluxDb2Tenants.Allowed(call, "write", "remotes", () => new(200, UpdateRemote(call))),
        ("DELETE", "remotes") => InfluxDb2Tenants.Allowed(call, "write", "remotes", () => DeleteRemote(call)),
        ("GET", "replications") => InfluxDb2Tenants.Allowed(call, "read", "replications", () => List(call, "replications")),
        ("POST", "replications") => InfluxDb2Tenants.Allowed(call, "write", "replications", () => new(201, CreateReplication(call))),
        ("PATCH", "replications") => InfluxDb2Tenants.Allowed(call, "write", "replications", () => new(200, UpdateReplication(call))),
        ("DELETE", "replications") => InfluxDb2Tenants.Allowed(call, "write", "replications", () => DeleteReplication(call)),
        _ => null,
    };

    private static InfluxDb2Reply List(InfluxDb2Call call, string kind)
    {
        if (string.IsNullOrEmpty(call.Query["orgID"]))
            throw InfluxDb2RefusedException.Invalid("invalid or missing org ID");
        foreach (var stream in call.Store.Of("replications"))
            stream["remainingBytesToBeSynced"] = call.Store.Queues[(string)stream["id"]!].Sum(text => Encoding.UTF8.GetByteCount(text));
        return new(200, new JsonObject { [kind] = InfluxDb2Tenants.Copy(call.Store.Of(kind).Where(item => InfluxDb2Tenants.InOrg(call, item))) });
    }

    private static JsonNode CreateRemote(InfluxDb2Call call)
    {
        var body = call.Body();
        Unique(call, "remotes", (string?)body["name"]);
        var remote = call.Store.Add("remotes", new() { ["orgID"] = (string?)call.Store.Find("orgs", (string?)body["orgID"])["id"], ["allowInsecureTLS"] = false });
        return Merge(call, remote, body);
    }

    private static JsonNode UpdateRemote(InfluxDb2Call call) => Merge(call, call.Store.Find("remotes", call.Id), call.Body());

    // The token goes in and never comes out.
    private static JsonNode Merge(InfluxDb2Call call, JsonObject remote, JsonObject body)
    {
        foreach (var field in (string[])["name", "description", "remoteURL", "remoteOrgID"])
        {
            if ((string?)body[field] is { } value)
                remote[field] = value;
        }

        if ((bool?)body["allowInsecureTLS"] is { } insecure)
            remote["allowInsecureTLS"] = insecure;
        if ((string?)body["remoteAPIToken"] is { } token)
            call.Store.RemoteTokens[(string)remote["id"]!] = token;
        return remote.DeepClone();
    }

    private static InfluxDb2Reply DeleteRemote(InfluxDb2Call call)
    {
        if (call.Store.Of("replications").Any(stream => (string?)stream["remoteID"] == call.Id))
            throw new InfluxDb2RefusedException(500, "internal error", "FOREIGN KEY constraint failed");
        return InfluxDb2Tenants.Delete(call, "remotes");
    }

    private static JsonNode CreateReplication(InfluxDb2Call call)
    {
        var body = call.Body();
        Unique(call, "replications", (string?)body["name"]);
        Check(call, body);
        var local = (string?)body["localBucketID"];
        if (!call.Store.Of("buckets").Any(bucket => (string?)bucket["id"] == local))
            throw InfluxDb2RefusedException.Invalid($"local bucket \"{local}\" not found");
        var stream = call.Store.Add("replications", (JsonObject)body.DeepClone());
        call.Store.Queues[(string)stream["id"]!] = new();
        stream["currentQueueSizeBytes"] = 0;
        stream["remainingBytesToBeSynced"] = 0;
        return stream.DeepClone();
    }

    private static JsonNode UpdateReplication(InfluxDb2Call call)
    {
        var stream = call.Store.Find("replications", call.Id);
        var body = call.Body();
        Check(call, body);
        foreach (var field in (string[])["remoteID", "remoteBucketID", "maxQueueSizeBytes", "maxAgeSeconds"])
        {
            if (body[field] is { } value)
                stream[field] = value.DeepClone();
        }

        return stream.DeepClone();
    }

    private static InfluxDb2Reply DeleteReplication(InfluxDb2Call call)
    {
        call.Store.Queues.Remove(call.Id ?? "");
        return InfluxDb2Tenants.Delete(call, "replications");
    }

    private static void Check(InfluxDb2Call call, JsonObject body)
    {
        if ((string?)body["remoteID"] is { } remote && !call.Store.Of("remotes").Any(known => (string?)known["id"] == remote))
            throw InfluxDb2RefusedException.Invalid($"remote \"{remote}\" not found");
        if ((long?)body["maxQueueSizeBytes"] < LeastQueue)
            throw InfluxDb2RefusedException.Invalid($"maxQueueSize too small, must be at least {LeastQueue}");
    }

    private static void Unique(InfluxDb2Call call, string kind, string? name)
    {
        if (string.IsNullOrEmpty(name) || call.Store.Of(kind).Any(known => (string?)known["name"] == name))
            throw new InfluxDb2RefusedException(500, "internal error", $"UNIQUE constraint failed: {kind}.org_id, {kind}.name");
    }
}
