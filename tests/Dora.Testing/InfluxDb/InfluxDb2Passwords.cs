using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Testing.InfluxDb;

/// <summary>Passwords of users, sessions that begin with them, and owners of an organisation (InfluxDB 2.7 documentation, "InfluxDB v2 API").</summary>
internal static class InfluxDb2Passwords
{
    // Of the API: "passwords must be between 8 and 72 characters".
    private const int Least = 8;
    private const int Most = 72;

    /// <summary>A user as of a set-up: with a password, and owner of the organisation.</summary>
    public static void Keep(InfluxDb2Store store, string? user, string? password)
    {
        if ((password ?? "").Length is < Least or > Most)
            throw InfluxDb2RefusedException.Invalid("passwords must be between 8 and 72 characters long");
        store.Passwords[user!] = SHA256.HashData(Encoding.UTF8.GetBytes(password!));
    }

    /// <summary>Name and password in a header; a user that has none cannot sign in.</summary>
    public static InfluxDb2Reply SignIn(InfluxDb2Store store, string header)
    {
        var parts = header.StartsWith("Basic ", StringComparison.Ordinal) ? Encoding.UTF8.GetString(Convert.FromBase64String(header[6..])).Split(':', 2) : [];
        var user = parts.Length == 2 ? store.Of("users").FirstOrDefault(user => (string?)user["name"] == parts[0] && (string?)user["status"] == "active") : null;
        return user is not null && store.Passwords.GetValueOrDefault((string)user["id"]!) is { } known && known.SequenceEqual(SHA256.HashData(Encoding.UTF8.GetBytes(parts[1])))
            ? new(204)
            : throw new InfluxDb2RefusedException(401, "unauthorized", "unauthorized access");
    }

    public static InfluxDb2Reply? Answer(InfluxDb2Call call) => (call.Method, call.Path) switch
    {
        ("POST", [_, _, "users", var id, "password"]) => InfluxDb2Tenants.Allowed(call, "write", "users", () => SetPassword(call, id)),
        ("GET", [_, _, "orgs", var id, "owners"]) => InfluxDb2Tenants.Allowed(call, "read", "orgs", () => Owners(call, id)),
        ("POST", [_, _, "orgs", var id, "owners"]) => InfluxDb2Tenants.Allowed(call, "write", "orgs", () => AddOwner(call, id)),
        _ => null,
    };

    private static InfluxDb2Reply SetPassword(InfluxDb2Call call, string id)
    {
        Keep(call.Store, (string?)call.Store.Find("users", id)["id"], (string?)call.Body()["password"]);
        return new(204);
    }

    private static InfluxDb2Reply Owners(InfluxDb2Call call, string id)
    {
        var org = (string)call.Store.Find("orgs", id)["id"]!;
        return new(200, new JsonObject { ["users"] = new JsonArray([.. call.Store.Owners.Where(owner => owner.Org == org).Select(owner => Owner(call.Store.Find("users", owner.User)))]) });
    }

    private static InfluxDb2Reply AddOwner(InfluxDb2Call call, string id)
    {
        var (org, user) = (call.Store.Find("orgs", id), call.Store.Find("users", (string?)call.Body()["id"] ?? throw InfluxDb2RefusedException.Invalid("user id missing")));
        return call.Store.Owners.Add(((string)org["id"]!, (string)user["id"]!))
            ? new(201, Owner(user))
            : throw InfluxDb2RefusedException.Conflict("user is already a member or an owner");
    }

    private static JsonNode Owner(JsonObject user)
    {
        var owner = user.DeepClone();
        owner["role"] = "owner";
        return owner;
    }
}
