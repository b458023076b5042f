namespace Dora.Testing.Neo4j;

/// <summary>What a scripted Neo4j knows: servers, databases, users, roles. All members share it, as a cluster does in the end.</summary>
public sealed class Neo4jState
{
    internal static readonly string[] BuiltInRoles = ["PUBLIC", "admin", "architect", "editor", "publisher", "reader"];

    private long _transactions;

    internal Neo4jState(Neo4jOptions options)
    {
        Options = options;
        Users["neo4j"] = new(options.InitialPassword) { ChangeRequired = true };
        Users["neo4j"].Roles.Add("admin");
        foreach (var role in BuiltInRoles)
            Roles[role] = [];
        foreach (var server in Enumerable.Range(0, options.Founders).Select(Join))
            server.State = "Enabled";
        Databases["system"] = new("system", options.Founders, 0);
        foreach (var server in Servers)
            Databases["system"].Copies[server.Id] = "primary";
        Create("neo4j", Math.Min(options.Founders, 3), 0);
        Databases["neo4j"].Status = "online";
        Databases["system"].Status = "online";
    }

    /// <summary>How it was started.</summary>
    public Neo4jOptions Options { get; }

    /// <summary>Users by name.</summary>
    public Dictionary<string, Neo4jUser> Users { get; } = new(StringComparer.Ordinal);

    /// <summary>Privileges by role, as rows of SHOW PRIVILEGES (action, resource, graph, segment).</summary>
    public Dictionary<string, HashSet<(string Action, string Resource, string Graph, string Segment)>> Roles { get; } = new(StringComparer.Ordinal);

    /// <summary>Databases by name.</summary>
    public Dictionary<string, Neo4jStore> Databases { get; } = new(StringComparer.Ordinal);

    /// <summary>Servers in the order of joining.</summary>
    public List<Neo4jMember> Servers { get; } = [];

    /// <summary>Bookmark of the last write.</summary>
    public string Bookmark => $"FB:{_transactions}";

    internal bool Enterprise => Options.Edition == "enterprise";

    /// <summary>A server that starts and finds the others: Free until it is enabled.</summary>
    public Neo4jMember Join(int ordinal)
    {
        var member = new Neo4jMember(ordinal, $"0000000{ordinal}-aaaa-4bbb-8ccc-dddddddddddd", $"{Options.Pod}-{ordinal}.{Options.Domain}");
        Servers.Add(member);
        if (Databases.TryGetValue("system", out var system))
            system.Copies[member.Id] = "primary";
        return member;
    }

    internal bool Knows(string bookmark) => bookmark.StartsWith("FB:", StringComparison.Ordinal) && long.TryParse(bookmark.AsSpan(3), out var number) && number <= _transactions;

    internal void Commit() => _transactions++;

    /// <summary>The server that leads a database: its first primary that is up; none without a majority of primaries.</summary>
    internal Neo4jMember? Leader(Neo4jStore database)
    {
        var primaries = Servers.Where(server => database.Copies.GetValueOrDefault(server.Id) == "primary").ToList();
        var up = primaries.Where(server => server.Up).ToList();
        return up.Count > primaries.Count / 2 ? up[0] : null;
    }

    /// <summary>Creates a database; it comes online after it was shown once.</summary>
    internal void Create(string name, int primaries, int secondaries)
    {
        var store = new Neo4jStore(name, primaries, secondaries);
        Place(store, primaries, secondaries, except: null);
        Databases[name] = store;
    }

    /// <summary>Gives a database as many copies as asked, on enabled servers that allow the role; keeps those that fit.</summary>
    internal void Place(Neo4jStore store, int primaries, int secondaries, Neo4jMember? except)
    {
        var hosts = Servers.Where(server => server.State == "Enabled" && server != except).OrderByDescending(server => store.Copies.ContainsKey(server.Id)).ToList();
        var leading = hosts.Where(server => server.Mode != "SECONDARY").Take(primaries).ToList();
        var following = hosts.Except(leading).Where(server => server.Mode != "PRIMARY").Take(secondaries).ToList();
        if (leading.Count < primaries || following.Count < secondaries)
            throw new Neo4jException("Neo.ClientError.Statement.ArgumentError", $"Could not place {primaries} primaries and {secondaries} secondaries of database '{store.Name}' on the servers that are enabled.");
        store.Copies.Clear();
        foreach (var server in leading)
            store.Copies[server.Id] = "primary";
        foreach (var server in following)
            store.Copies[server.Id] = "secondary";
        (store.Primaries, store.Secondaries) = (primaries, secondaries);
    }
}

/// <summary>How a scripted Neo4j is started.</summary>
/// <param name="Edition">community or enterprise.</param>
/// <param name="Version">Of the server; decides the HTTP status of errors.</param>
/// <param name="Founders">Members at the start, all enabled.</param>
/// <param name="InitialPassword">Of user neo4j, to be changed before anything else.</param>
/// <param name="Pod">Name that members' host names begin with.</param>
/// <param name="Domain">Domain of the members.</param>
/// <param name="Routing">Whether a member passes on what it cannot do itself: a write, or anything about a database that it has no copy of.</param>
public sealed record Neo4jOptions(
    string Edition = "enterprise",
    string Version = "5.26.0",
    int Founders = 3,
    string InitialPassword = "first-Password1",
    string Pod = "payments-neo4j",
    string Domain = "payments-neo4j-members.compliance.svc",
    bool Routing = false);

/// <summary>A user.</summary>
public sealed class Neo4jUser(string password)
{
    /// <summary>Current password.</summary>
    public string Password { get; set; } = password;

    /// <summary>Whether nothing but changing the password is allowed.</summary>
    public bool ChangeRequired { get; set; }

    /// <summary>Roles beside PUBLIC.</summary>
    public HashSet<string> Roles { get; } = new(StringComparer.Ordinal);
}

/// <summary>A database.</summary>
public sealed class Neo4jStore(string name, int primaries, int secondaries)
{
    /// <summary>Its name.</summary>
    public string Name { get; } = name;

    /// <summary>Copies asked for that can lead.</summary>
    public int Primaries { get; set; } = primaries;

    /// <summary>Copies asked for that follow.</summary>
    public int Secondaries { get; set; } = secondaries;

    /// <summary>starting, online, offline …</summary>
    public string Status { get; set; } = "starting";

    /// <summary>Transactions that followers are behind.</summary>
    public long Lag { get; set; }

    /// <summary>primary or secondary, by server.</summary>
    public Dictionary<string, string> Copies { get; } = new(StringComparer.Ordinal);

    /// <summary>Rows of SHOW CONSTRAINTS.</summary>
    public List<Neo4jRule> Constraints { get; } = [];

    /// <summary>Rows of SHOW INDEXES; every database starts with two that find tokens.</summary>
    public List<Neo4jRule> Indexes { get; } = [new("index_343aff4e", "LOOKUP", "NODE", [], [], null), new("index_f7700477", "LOOKUP", "RELATIONSHIP", [], [], null)];
}

/// <summary>A constraint or an index.</summary>
public sealed record Neo4jRule(string Name, string Type, string Entity, IReadOnlyList<string> Labels, IReadOnlyList<string> Properties, string? OwningConstraint);

/// <summary>A server.</summary>
public sealed class Neo4jMember(int ordinal, string id, string host)
{
    internal Dictionary<string, (int Failures, DateTimeOffset Until)> Attempts { get; } = new(StringComparer.Ordinal);

    /// <summary>Number of its pod.</summary>
    public int Ordinal { get; } = ordinal;

    /// <summary>Server id.</summary>
    public string Id { get; } = id;

    /// <summary>Host name it advertises.</summary>
    public string Host { get; } = host;

    /// <summary>Free, Enabled, Deallocating, Deallocated …</summary>
    public string State { get; set; } = "Free";

    /// <summary>PRIMARY, SECONDARY or NONE.</summary>
    public string Mode { get; set; } = "NONE";

    /// <summary>Whether it answers at all.</summary>
    public bool Up { get; set; } = true;
}

/// <summary>An error with Neo4j's code.</summary>
public sealed class Neo4jException(string code, string message) : Exception(message)
{
    /// <summary>E.g. Neo.ClientError.Statement.SyntaxError.</summary>
    public string Code { get; } = code;
}
