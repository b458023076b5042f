namespace Dora.Testing.Vault;

/// <summary>Mounts, policies and the token store; decides who may do what before a mount is asked.</summary>
internal sealed class VaultSystem(TimeProvider clock) : IDisposable
{
    private readonly Dictionary<string, IVaultMount> _mounts = new(StringComparer.Ordinal);

    public VaultTokens Tokens { get; } = new(clock);

    public HashSet<string> Accounts { get; } = new(StringComparer.Ordinal);

    public VaultReply Answer(VaultCall call)
    {
        var mount = _mounts.Keys.Where(name => call.Path == name || call.Path.StartsWith(name + "/", StringComparison.Ordinal)).MaxBy(name => name.Length);
        var below = mount is null || call.Path.Length <= mount.Length ? "" : call.Path[(mount.Length + 1)..];
        if (mount is not null && _mounts[mount].Open(call.Operation, below))
            return _mounts[mount].Answer(call, below);
        if (!Tokens.Knows(call.Token))
            return VaultReply.Errors(403, call.Token is null ? "permission denied" : "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n");
        var operation = call.Operation == "update" && mount is not null && !_mounts[mount].Exists(below) ? "create" : call.Operation;
        // A list is asked of a folder, and its path ends so (policies documentation, "list").
        if (!Tokens.Allows(call.Token!, operation == "list" ? call.Path + "/" : call.Path, operation))
            return VaultReply.Denied;
        return call.Path.Split('/') switch
        {
            ["sys", .. var rest] => Configure(rest, call),
            ["auth", "token", var what] => Token(what, call),
            _ when mount is not null => _mounts[mount].Answer(call with { Operation = operation }, below),
            _ => VaultReply.NoRoute(call.Path),
        };
    }

    public void Dispose()
    {
        foreach (var mount in _mounts.Values.OfType<IDisposable>())
            mount.Dispose();
    }

    private VaultReply Token(string what, VaultCall call)
    {
        switch (what, call.Operation)
        {
            case ("lookup-self", "read"):
                return Tokens.LookUp(call.Token!);
            case ("renew-self", "update"):
                return Tokens.Renew(call.Token!);
            case ("revoke-self", "update"):
                Tokens.Revoke(call.Token!);
                return VaultReply.Done;
            case ("create", "update"):
                return Tokens.Issue([.. call.Body["policies"]?.AsArray().Select(policy => (string)policy!) ?? []], TimeSpan.FromSeconds((long?)call.Body["ttl"] ?? 3600), TimeSpan.Zero, (bool?)call.Body["renewable"] ?? true);
            default:
                return VaultReply.Nothing;
        }
    }

    private VaultReply Configure(string[] path, VaultCall call)
    {
        switch (path)
        {
            case ["leases", "renew"]:
                return Tokens.RenewLease(call.Text("lease_id"), (long?)call.Body["increment"] ?? 0);
            case ["leases", "revoke"]:
                return Tokens.RevokeLease(call.Text("lease_id"));
            case ["policies", "acl", var name]:
                return Policy(name, call.Text("policy"));
            case ["mounts", .. var at]:
                return Mount(string.Join('/', at), call.Text("type"));
            case ["auth", .. var at]:
                return Mount("auth/" + string.Join('/', at), call.Text("type"));
            default:
                return VaultReply.NoRoute(call.Path);
        }
    }

    private VaultReply Policy(string name, string text)
    {
        try
        {
            Tokens.Policies[name] = VaultPolicy.Parse(text);
            return VaultReply.Done;
        }
        catch (FormatException exception)
        {
            return VaultReply.Errors(400, exception.Message);
        }
    }

    private VaultReply Mount(string path, string type)
    {
        if (_mounts.ContainsKey(path))
            return VaultReply.Errors(400, $"path is already in use at {path}/");
        IVaultMount? mount = type switch
        {
            "kv" => new VaultKeyValues(clock),
            "database" => new VaultDatabases(Tokens, clock),
            "pki" => new VaultAuthority(clock),
            "transit" => new VaultTransit(),
            "approle" or "kubernetes" => new VaultLogins(type, Tokens, Accounts),
            _ => null,
        };
        if (mount is null)
            return VaultReply.Errors(400, $"plugin not found in the catalog: {type}");
        _mounts[path] = mount;
        return VaultReply.Done;
    }
}
