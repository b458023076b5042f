using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;

namespace Dora.Testing.Vault;

/// <summary>A database secrets engine without a database: logins are made up, leases are real.</summary>
internal sealed class VaultDatabases(VaultTokens tokens, TimeProvider clock) : IVaultMount
{
    private readonly Dictionary<string, (TimeSpan Ttl, TimeSpan Longest)> _roles = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StaticRole> _static = new(StringComparer.Ordinal);

    public string Type => "database";

    public VaultReply Answer(VaultCall call, string path) => (path.Split('/'), call.Operation) switch
    {
        (["roles", var role], "create" or "update") => Define(role, call),
        (["static-roles", var role], "create" or "update") => DefineStatic(role, call),
        (["creds", var role], "read") => _roles.TryGetValue(role, out var found)
            ? tokens.Lend(new() { ["username"] = $"v-{role}-{Random()[..8]}", ["password"] = Random() }, $"database/creds/{role}", found.Ttl, found.Longest)
            : VaultReply.Errors(400, $"unknown role: {role}"),
        (["static-creds", var role], "read") => _static.ContainsKey(role) ? VaultReply.Data(Now(role).Describe(clock.GetUtcNow())) : VaultReply.Errors(400, $"unknown role: {role}"),
        (["rotate-role", var role], "create" or "update") => Rotate(role),
        _ => VaultReply.Nothing,
    };

    private VaultReply Define(string role, VaultCall call)
    {
        _roles[role] = (TimeSpan.FromSeconds((long?)call.Body["default_ttl"] ?? 3600), TimeSpan.FromSeconds((long?)call.Body["max_ttl"] ?? 0));
        return VaultReply.Done;
    }

    private VaultReply DefineStatic(string role, VaultCall call)
    {
        _static[role] = new(call.Text("username"), Random(), clock.GetUtcNow(), (long?)call.Body["rotation_period"] ?? 86400);
        return VaultReply.Done;
    }

    private VaultReply Rotate(string role)
    {
        if (!_static.TryGetValue(role, out var found))
            return VaultReply.Errors(400, $"no static role found for role name {role}");
        _static[role] = found with { Password = Random(), At = clock.GetUtcNow() };
        return VaultReply.Done;
    }

    // Its password changes by itself when its period is over.
    private StaticRole Now(string role)
    {
        var (found, now) = (_static[role], clock.GetUtcNow());
        var periods = (long)((now - found.At).TotalSeconds / found.Period);
        return periods == 0 ? found : _static[role] = found with { Password = Random(), At = found.At.AddSeconds(periods * found.Period) };
    }

    private static string Random() => RandomNumberGenerator.GetHexString(20, lowercase: true);

    private sealed record StaticRole(string Username, string Password, DateTimeOffset At, long Period)
    {
        public JsonObject Describe(DateTimeOffset now) => new()
        {
            ["username"] = Username,
            ["password"] = Password,
            ["last_vault_rotation"] = At.ToString("yyyy-MM-ddTHH:mm:ss.fffffffZ", CultureInfo.InvariantCulture),
            ["rotation_period"] = Period,
            ["ttl"] = Math.Max(0, Period - (long)(now - At).TotalSeconds),
        };
    }
}
