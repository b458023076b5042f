using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Testing.InfluxDb;

/// <summary>Setup, organisations, buckets, users, authorizations, tasks, writes and reads.</summary>
internal static partial class InfluxDb2Tenants
{
    private const int LeastRetention = 3600;
    private const int LeastPassword = 8;

    private static readonly string[] Everything = ["authorizations", "buckets", "dashboards", "orgs", "tasks", "users", "remotes", "replications"];

    public static JsonObject SetUp(InfluxDb2Store store, JsonObject body)
    {
        if (store.IsSetUp)
            throw InfluxDb2RefusedException.Conflict("onboarding has already been completed");
        foreach (var field in (string[])["username", "org", "bucket"])
        {
            if (string.IsNullOrEmpty((string?)body[field]))
                throw new InfluxDb2RefusedException(422, "unprocessable entity", $"{field} is empty");
        }

        if (((string?)body["password"] ?? "").Length < LeastPassword)
            throw InfluxDb2RefusedException.Invalid("passwords must be at least 8 characters long");
        var user = store.Add("users", new() { ["name"] = (string?)body["username"], ["status"] = "active" });
        InfluxDb2Passwords.Keep(store, (string?)user["id"], (string?)body["password"]);
        var org = store.Add("orgs", new() { ["name"] = (string?)body["org"] });
        store.Owners.Add(((string)org["id"]!, (string)user["id"]!));
        var bucket = store.Add("buckets", Bucket(org["id"]!, (string)body["bucket"]!, (long?)body["retentionPeriodSeconds"] ?? 0, 0));
        foreach (var system in (string[])["_monitoring", "_tasks"])
            store.Add("buckets", Bucket(org["id"]!, system, 7 * 86400, 86400, "system"));
        var rights = new JsonArray([.. from kind in Everything from action in (string[])["read", "write"] select (JsonNode)new JsonObject { ["action"] = action, ["resource"] = new JsonObject { ["type"] = kind } }]);
        var authorization = store.Add("authorizations", new()
        {
            ["token"] = (string?)body["token"] is { Length: > 0 } token ? token : store.NewToken(),
            ["status"] = "active",
            ["description"] = $"{user["name"]}'s Token",
            ["orgID"] = (string?)org["id"],
            ["userID"] = (string?)user["id"],
            ["permissions"] = rights,
        });
        return new() { ["user"] = user.DeepClone(), ["org"] = org.DeepClone(), ["bucket"] = bucket.DeepClone(), ["auth"] = authorization.DeepClone() };
    }

    public static InfluxDb2Reply? Answer(InfluxDb2Call call) => (call.Method, call.Resource) switch
    {
        ("GET", "orgs") => Orgs(call),
        ("GET", "buckets") => new(200, Page(call, "buckets", call.Store.Of("buckets").Where(bucket => call.May("read", "buckets", (string?)bucket["id"]) && InOrg(call, bucket)), 20, 100)),
        ("POST", "buckets") => new(201, CreateBucket(call)),
        ("PATCH", "buckets") => new(200, UpdateBucket(call)),
        ("GET", "users") => Allowed(call, "read", "users", () => new(200, Page(call, "users", call.Store.Of("users"), 20, 100))),
        ("POST", "users") => Allowed(call, "write", "users", () => new(201, CreateUser(call))),
        ("GET", "authorizations") => Allowed(call, "read", "authorizations", () => new(200, new JsonObject { ["authorizations"] = Copy(call.Store.Of("authorizations").Where(item => InOrg(call, item))) })),
        ("POST", "authorizations") => Allowed(call, "write", "authorizations", () => new(201, CreateAuthorization(call))),
        ("DELETE", "authorizations") => Allowed(call, "write", "authorizations", () => Delete(call, "authorizations")),
        ("GET", "tasks") => Allowed(call, "read", "tasks", () => Tasks(call)),
        ("POST", "tasks") => Allowed(call, "write", "tasks", () => new(201, SetTask(call, new()))),
        ("PATCH", "tasks") => Allowed(call, "write", "tasks", () => new(200, SetTask(call, call.Store.Find("tasks", call.Id)))),
        ("DELETE", "tasks") => Allowed(call, "write", "tasks", () => Delete(call, "tasks")),
        ("POST", "write") => Write(call),
        ("POST", "query") => Query(call),
        _ => null,
    };

    /// <summary>The action, if the token gives the right to it.</summary>
    public static InfluxDb2Reply Allowed(InfluxDb2Call call, string action, string type, Func<InfluxDb2Reply> then)
    {
        call.Need(action, type);
        return then();
    }

    public static InfluxDb2Reply Delete(InfluxDb2Call call, string kind)
    {
        call.Store.Of(kind).Remove(call.Store.Find(kind, call.Id));
        return new(204);
    }

    public static JsonArray Copy(IEnumerable<JsonObject> items) => new([.. items.Select(item => item.DeepClone())]);

    public static bool InOrg(InfluxDb2Call call, JsonObject item) => (string?)call.Query["orgID"] is not { Length: > 0 } org || (string?)item["orgID"] == org;

    private static InfluxDb2Reply Orgs(InfluxDb2Call call)
    {
        call.Need("read", "orgs");
        var name = (string?)call.Query["org"];
        var found = call.Store.Of("orgs").Where(org => name is null || (string?)org["name"] == name).ToList();
        return found.Count == 0 ? throw InfluxDb2RefusedException.NotFound($"organization name \"{name}\" not found") : new(200, new JsonObject { ["orgs"] = Copy(found) });
    }

    private static JsonObject Page(InfluxDb2Call call, string kind, IEnumerable<JsonObject> items, int usual, int most)
    {
        var limit = int.TryParse(call.Query["limit"], out var asked) ? asked : usual;
        if (limit < 1 || limit > most)
            throw InfluxDb2RefusedException.Invalid($"limit must be between 1 and {most}");
        return new() { [kind] = Copy(items.Skip(int.TryParse(call.Query["offset"], out var offset) ? offset : 0).Take(limit)) };
    }

    private static JsonObject Bucket(JsonNode org, string name, long seconds, long shard, string type = "user") => new()
    {
        ["orgID"] = (string?)org,
        ["type"] = type,
        ["name"] = name,
        ["retentionRules"] = Rules(seconds, shard),
    };

    private static JsonArray Rules(long seconds, long shard) => new(new JsonObject { ["type"] = "expire", ["everySeconds"] = seconds, ["shardGroupDurationSeconds"] = shard == 0 ? 7 * 86400 : shard });

    private static JsonArray Rules(JsonObject body)
    {
        var rule = body["retentionRules"]?.AsArray().FirstOrDefault();
        var (seconds, shard) = ((long?)rule?["everySeconds"] ?? 0, (long?)rule?["shardGroupDurationSeconds"] ?? 0);
        if (rule is not null && (string?)rule["type"] != "expire")
            throw InfluxDb2RefusedException.Invalid("retention rule type must be expire");
        if (seconds is > 0 and < LeastRetention)
            throw new InfluxDb2RefusedException(422, "unprocessable entity", "retention policy duration must be at least 1h0m0s");
        return seconds > 0 && shard > seconds ? throw new InfluxDb2RefusedException(422, "unprocessable entity", "shard-group duration must also be updated to be smaller than new retention duration") : Rules(seconds, shard);
    }

    private static JsonObject CreateBucket(InfluxDb2Call call)
    {
        call.Need("write", "buckets");
        var body = call.Body();
        var name = (string?)body["name"] ?? "";
        var org = call.Store.Find("orgs", (string?)body["orgID"]);
        if (name.Length == 0 || name[0] == '_' || name.Contains('"', StringComparison.Ordinal))
            throw InfluxDb2RefusedException.Invalid($"bucket name {name} is invalid. Buckets may not start with underscore");
        if (call.Store.Of("buckets").Any(bucket => (string?)bucket["name"] == name))
            throw InfluxDb2RefusedException.Conflict($"bucket with name {name} already exists");
        var made = Bucket(org["id"]!, name, 0, 0);
        made["retentionRules"] = Rules(body);
        return (JsonObject)call.Store.Add("buckets", made).DeepClone();
    }

    private static JsonNode UpdateBucket(InfluxDb2Call call)
    {
        var bucket = call.Store.Find("buckets", call.Id);
        call.Need("write", "buckets", call.Id);
        bucket["retentionRules"] = Rules(call.Body());
        return bucket.DeepClone();
    }

    private static JsonNode CreateUser(InfluxDb2Call call)
    {
        var name = (string?)call.Body()["name"] ?? "";
        if (name.Length == 0)
            throw InfluxDb2RefusedException.Invalid("user name is empty");
        return call.Store.Of("users").Any(user => (string?)user["name"] == name)
            ? throw InfluxDb2RefusedException.Conflict($"user with name {name} already exists")
            : call.Store.Add("users", new() { ["name"] = name, ["status"] = "active" }).DeepClone();
    }

    // A token gives no right that its maker does not hold; the token itself is the server's own choice.
    private static JsonNode CreateAuthorization(InfluxDb2Call call)
    {
        var body = call.Body();
        var org = call.Store.Find("orgs", (string?)body["orgID"] ?? throw InfluxDb2RefusedException.Invalid("org id required"));
        var user = call.Store.Find("users", (string?)body["userID"]);
        if (body["permissions"] is not JsonArray { Count: > 0 } permissions)
            throw InfluxDb2RefusedException.Invalid("authorization must include permissions");
        foreach (var permission in permissions)
        {
            var (action, type, id) = ((string?)permission!["action"], (string?)permission["resource"]?["type"], (string?)permission["resource"]?["id"]);
            if (action is not ("read" or "write") || !Everything.Contains(type))
                throw InfluxDb2RefusedException.Invalid("unknown action or resource type for permission");
            call.Need(action, type!, id);
        }

        return call.Store.Add("authorizations", new()
        {
            ["token"] = call.Store.NewToken(),
            ["status"] = (string?)body["status"] ?? "active",
            ["description"] = (string?)body["description"] ?? "",
            ["orgID"] = (string?)org["id"],
            ["userID"] = (string?)user["id"],
            ["user"] = (string?)user["name"],
            ["permissions"] = permissions.DeepClone(),
        }).DeepClone();
    }

    private static InfluxDb2Reply Tasks(InfluxDb2Call call)
    {
        var all = call.Store.Of("tasks").Where(task => InOrg(call, task));
        if ((string?)call.Query["after"] is { Length: > 0 } after)
            all = all.SkipWhile(task => (string?)task["id"] != after).Skip(1);
        return new(200, new JsonObject { ["tasks"] = Copy(all.Take(int.TryParse(call.Query["limit"], out var limit) ? limit : 100)) });
    }

    private static JsonNode SetTask(InfluxDb2Call call, JsonObject task)
    {
        var body = call.Body();
        var flux = (string?)body["flux"] ?? "";
        if (TaskOption().Match(flux) is not { Success: true } option || !flux.Contains("from(", StringComparison.Ordinal))
            throw InfluxDb2RefusedException.Invalid("failed to parse flux: missing required options: name, every");
        foreach (Match bucket in BucketName().Matches(flux))
        {
            if (!call.Store.Of("buckets").Any(known => (string?)known["name"] == bucket.Groups["name"].Value))
                throw InfluxDb2RefusedException.Invalid($"could not find bucket \"{bucket.Groups["name"].Value}\"");
        }

        task["flux"] = flux;
        task["name"] = option.Groups["name"].Value;
        task["every"] = option.Groups["every"].Value;
        task["status"] = (string?)body["status"] ?? "active";
        if (task["id"] is not null)
            return task.DeepClone();
        task["orgID"] = (string?)call.Store.Find("orgs", (string?)body["orgID"])["id"];
        return call.Store.Add("tasks", task).DeepClone();
    }

    private static InfluxDb2Reply Write(InfluxDb2Call call)
    {
        var wanted = (string?)call.Query["bucket"];
        var bucket = call.Store.Of("buckets").FirstOrDefault(candidate => (string?)candidate["id"] == wanted || (string?)candidate["name"] == wanted)
            ?? throw InfluxDb2RefusedException.NotFound($"bucket \"{wanted}\" not found");
        var id = (string)bucket["id"]!;
        if (!call.May("write", "buckets", id))
            throw new InfluxDb2RefusedException(403, "forbidden", "insufficient permissions for write");
        if (call.Store.Points.TryGetValue(id, out var points))
            points.Add(call.Text);
        else
            call.Store.Points[id] = [call.Text];
        foreach (var stream in call.Store.Of("replications").Where(stream => (string?)stream["localBucketID"] == id))
            call.Store.Queues[(string)stream["id"]!].Enqueue(call.Text);
        return new(204);
    }

    // Only buckets that the token may read exist for a query.
    private static InfluxDb2Reply Query(InfluxDb2Call call)
    {
        var name = BucketName().Match(call.Text).Groups["name"].Value;
        var bucket = call.Store.Of("buckets").FirstOrDefault(candidate => (string?)candidate["name"] == name);
        return bucket is null || !call.May("read", "buckets", (string?)bucket["id"])
            ? throw InfluxDb2RefusedException.NotFound($"failed to initialize execute state: could not find bucket \"{name}\"")
            : new(200, Csv: string.Concat((call.Store.Points.GetValueOrDefault((string)bucket["id"]!) ?? []).Select(line => $",,0,{line.Replace(',', ' ')}\r\n")));
    }

    [GeneratedRegex("option task = \\{name: \"(?<name>[^\"]+)\", every: (?<every>[0-9]+(m|h|d|w))", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex TaskOption();

    [GeneratedRegex("bucket: ?\"(?<name>[^\"]+)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex BucketName();
}
