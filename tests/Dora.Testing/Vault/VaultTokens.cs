using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>Tokens, leases and the auth methods that issue tokens.</summary>
internal sealed class VaultTokens(TimeProvider clock)
{
    private readonly Dictionary<string, Token> _tokens = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Lease> _leases = new(StringComparer.Ordinal);

    public Dictionary<string, VaultPolicy> Policies { get; } = new(StringComparer.Ordinal)
    {
        ["default"] = VaultPolicy.Parse(
            """
            path "auth/token/lookup-self" { capabilities = ["read"] }
            path "auth/token/renew-self"  { capabilities = ["update"] }
            path "auth/token/revoke-self" { capabilities = ["update"] }
            """),
    };

    public string Root { get; } = "hvs." + RandomNumberGenerator.GetHexString(24, lowercase: true);

    /// <summary>Alive tokens that were issued.</summary>
    public IReadOnlyList<string> Alive => [.. _tokens.Where(pair => pair.Value.Ends > clock.GetUtcNow()).Select(pair => pair.Key)];

    public IReadOnlyList<string> Leases => [.. _leases.Where(pair => pair.Value.Ends > clock.GetUtcNow()).Select(pair => pair.Key)];

    public bool Knows(string? token) => token is not null && (token == Root || Find(token) is not null);

    public bool Allows(string token, string path, string capability) => token == Root
        || VaultPolicy.Allows(Find(token)!.Policies.Append("default").Where(Policies.ContainsKey).Select(name => Policies[name]), path, capability);

    public VaultReply Issue(IReadOnlyList<string> policies, TimeSpan ttl, TimeSpan longest, bool renewable)
    {
        var value = "hvs." + RandomNumberGenerator.GetHexString(24, lowercase: true);
        var now = clock.GetUtcNow();
        _tokens[value] = new(policies, now + ttl, ttl, longest == TimeSpan.Zero ? DateTimeOffset.MaxValue : now + longest, renewable);
        return Auth(value, ttl, renewable, policies);
    }

    public VaultReply Renew(string value)
    {
        if (Find(value) is not { Renewable: true } token)
            return VaultReply.Errors(400, "lease is not renewable");
        var now = clock.GetUtcNow();
        var ttl = token.Latest - now < token.Ttl ? token.Latest - now : token.Ttl;
        _tokens[value] = token with { Ends = now + ttl };
        return Auth(value, ttl, true, token.Policies);
    }

    public VaultReply LookUp(string value)
    {
        var token = Find(value);
        var ttl = token is null ? 0 : (long)(token.Ends - clock.GetUtcNow()).TotalSeconds;
        return VaultReply.Data(new JsonObject { ["ttl"] = ttl, ["renewable"] = token?.Renewable ?? false, ["policies"] = new JsonArray("default"), ["id"] = value });
    }

    public void Revoke(string value) => _tokens.Remove(value);

    public VaultReply Lend(JsonObject data, string path, TimeSpan ttl, TimeSpan longest)
    {
        var (id, now) = ($"{path}/{RandomNumberGenerator.GetHexString(24, lowercase: true)}", clock.GetUtcNow());
        _leases[id] = new(now + ttl, ttl, longest == TimeSpan.Zero ? DateTimeOffset.MaxValue : now + longest);
        return VaultReply.Data(data, lease: id, duration: (long)ttl.TotalSeconds, renewable: true);
    }

    public VaultReply RenewLease(string id, long increment)
    {
        if (!_leases.TryGetValue(id, out var lease) || lease.Ends <= clock.GetUtcNow())
            return VaultReply.Errors(400, "lease not found");
        var ttl = increment > 0 && increment < lease.Ttl.TotalSeconds ? TimeSpan.FromSeconds(increment) : lease.Ttl;
        var left = lease.Latest - clock.GetUtcNow();
        ttl = left < ttl ? left : ttl;
        _leases[id] = lease with { Ends = clock.GetUtcNow() + ttl };
        return new(200, new JsonObject { ["lease_id"] = id, ["renewable"] = true, ["lease_duration"] = (long)ttl.TotalSeconds, ["data"] = null });
    }

    public VaultReply RevokeLease(string id) => _leases.Remove(id) ? VaultReply.Done : VaultReply.Errors(400, "invalid lease");

    private Token? Find(string value) => _tokens.TryGetValue(value, out var token) && token.Ends > clock.GetUtcNow() ? token : null;

    private static VaultReply Auth(string value, TimeSpan ttl, bool renewable, IReadOnlyList<string> policies) => new(200, new JsonObject
    {
        ["request_id"] = "5d6f2f4b-0000-0000-0000-000000000001",
        ["lease_id"] = "",
        ["lease_duration"] = 0,
        ["renewable"] = false,
        ["data"] = null,
        ["auth"] = new JsonObject
        {
            ["client_token"] = value,
            ["accessor"] = value[^8..],
            ["policies"] = new JsonArray([.. policies.Append("default").Select(policy => (JsonNode)policy)]),
            ["lease_duration"] = (long)ttl.TotalSeconds,
            ["renewable"] = renewable,
        },
    });

    private sealed record Token(IReadOnlyList<string> Policies, DateTimeOffset Ends, TimeSpan Ttl, DateTimeOffset Latest, bool Renewable);

    private sealed record Lease(DateTimeOffset Ends, TimeSpan Ttl, DateTimeOffset Latest);
}

/// <summary>The AppRole and Kubernetes auth methods.</summary>
internal sealed class VaultLogins(string type, VaultTokens tokens, ISet<string> accounts) : IVaultMount
{
    private readonly Dictionary<string, Role> _roles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _secretIds = new(StringComparer.Ordinal);

    public string Type => type;

    public bool Open(string operation, string path) => operation is "create" or "update" && path == "login";

    public VaultReply Answer(VaultCall call, string path) => (path.Split('/'), call.Operation) switch
    {
        (["login"], "create" or "update") => type == "approle" ? AppRole(call) : Kubernetes(call),
        (["config"], "create" or "update") => VaultReply.Done,
        (["role", var name], "create" or "update") => Define(name, call),
        (["role", var name, "role-id"], "read") when _roles.TryGetValue(name, out var role) => VaultReply.Data(new JsonObject { ["role_id"] = role.Id }),
        (["role", var name, "secret-id"], "create" or "update") when _roles.ContainsKey(name) => SecretId(name),
        _ => VaultReply.Nothing,
    };

    private VaultReply Define(string name, VaultCall call)
    {
        _roles[name] = new(
            RandomNumberGenerator.GetHexString(16, lowercase: true),
            [.. call.Body["token_policies"]?.AsArray().Select(policy => (string)policy!) ?? []],
            Seconds(call, "token_ttl", 3600),
            Seconds(call, "token_max_ttl", 0),
            call.Text("token_type") != "batch");
        return VaultReply.Done;
    }

    private VaultReply SecretId(string role)
    {
        var value = RandomNumberGenerator.GetHexString(32, lowercase: true);
        _secretIds[value] = role;
        return VaultReply.Data(new JsonObject { ["secret_id"] = value, ["secret_id_accessor"] = value[..8], ["secret_id_ttl"] = 0 });
    }

    private VaultReply AppRole(VaultCall call) =>
        _secretIds.TryGetValue(call.Text("secret_id"), out var name) && _roles[name].Id == call.Text("role_id")
            ? Issue(_roles[name])
            : VaultReply.Errors(400, "invalid role or secret ID");

    private VaultReply Kubernetes(VaultCall call) =>
        !_roles.TryGetValue(call.Text("role"), out var role) ? VaultReply.Errors(400, $"invalid role name \"{call.Text("role")}\"")
        : accounts.Contains(call.Text("jwt")) ? Issue(role)
        : VaultReply.Errors(403, "permission denied");

    private VaultReply Issue(Role role) => tokens.Issue(role.Policies, role.Ttl, role.Longest, role.Renewable);

    private static TimeSpan Seconds(VaultCall call, string key, long otherwise) =>
        TimeSpan.FromSeconds(call.Body[key] is { } value && long.TryParse(value.ToString().TrimEnd('s'), CultureInfo.InvariantCulture, out var seconds) ? seconds : otherwise);

    private sealed record Role(string Id, IReadOnlyList<string> Policies, TimeSpan Ttl, TimeSpan Longest, bool Renewable);
}
