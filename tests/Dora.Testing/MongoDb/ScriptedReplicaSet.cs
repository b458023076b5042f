using System.Net;

namespace Dora.Testing.MongoDb;

/// <summary>
/// A replica set of scripted servers: one configuration, one primary, one copy of the data. It enforces what real servers enforce
/// of reconfigurations and elections (MongoDB manual, <c>replSetReconfig</c>, <c>replSetStepDown</c>).
/// </summary>
public sealed partial class ScriptedReplicaSet : IAsyncDisposable
{
    /// <summary>Port of every member.</summary>
    public const int Port = 27017;

    private static int _sets;

    private readonly Lock _gate = new();
    private readonly int _number = Interlocked.Increment(ref _sets);
    private readonly List<ScriptedMongod> _members = [];
    private readonly List<Doc> _log = [];
    private Doc? _config;
    private int _term = 1;
    private string? _primary;

    /// <summary>Now, for the members' clocks.</summary>
    public DateTimeOffset Now { get; set; } = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Whether a configuration is on a majority as soon as the primary has it.</summary>
    public bool CommitsAtOnce { get; set; } = true;

    /// <summary>Subjects of certificates that may log in.</summary>
    public HashSet<string> ExternalUsers { get; } = [];

    /// <summary>Name of the member that takes writes, or null.</summary>
    public string? Primary
    {
        get
        {
            lock (_gate)
                return _primary;
        }
    }

    /// <summary>Names of all commands that were run after logging in, with the database, e.g. <c>admin.createUser</c>.</summary>
    public IReadOnlyList<string> Commands
    {
        get
        {
            lock (_gate)
                return [.. _log.Select(command => $"{command["$db"]}.{command[0].Key}")];
        }
    }

    /// <summary>Hosts in the configuration with their ids.</summary>
    public IReadOnlyList<(int Id, string Host)> Configured
    {
        get
        {
            lock (_gate)
                return [.. Members(_config ?? []).Select(member => (member.Need<int>("_id"), member.Need<string>("host")))];
        }
    }

    /// <summary>Starts a server that is no member of anything yet.</summary>
    public ScriptedMongod AddServer(string host, string version = "8.0.4")
    {
        // 127.0.0.0/8 is all loopback on Linux: every server gets the real port on an address of its own.
        var address = IPAddress.Parse($"127.{1 + (Environment.ProcessId % 250)}.{100 + (_number % 150)}.{_members.Count + 1}");
        var server = new ScriptedMongod(this, host, address, version);
        _members.Add(server);
        server.Start();
        return server;
    }

    /// <summary>What the bootstrap does: founds the set with these servers, the first one primary, and creates the administrator.</summary>
    public void Initiate(string administrator, string password, params ScriptedMongod[] members)
    {
        ArgumentNullException.ThrowIfNull(members);
        lock (_gate)
        {
            _config = new()
            {
                { "_id", "rs0" },
                { "version", 1 },
                { "term", 1 },
                { "members", members.Select((member, index) => (object?)new Doc { { "_id", index }, { "host", member.Host }, { "arbiterOnly", false }, { "priority", 1.0 }, { "votes", 1 } }).ToList() },
                { "protocolVersion", 1L },
                { "settings", new Doc { { "replicaSetId", new ObjectId("65f000000000000000000001") } } },
            };
            _primary = members[0].Host;
            _compatibility = string.Join('.', members[0].Version.Split('.').Take(2));
            _users[administrator] = new(administrator, password, [new Doc { { "role", "root" }, { "db", "admin" } }], null);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var member in _members)
            await member.DisposeAsync();
    }

    internal void MemberStopped(ScriptedMongod server)
    {
        lock (_gate)
        {
            if (_primary == server.Host)
                Elect(except: server.Host);
        }
    }

    internal bool IsArbiter(ScriptedMongod server)
    {
        lock (_gate)
            return Member(server.Host)?["arbiterOnly"] is true;
    }

    internal Doc Hello(ScriptedMongod server, ScriptedSession session, Doc command)
    {
        lock (_gate)
        {
            if (command["client"] is Doc client)
            {
                if (session.Greeted)
                    throw new ScriptedException(186, "ClientMetadataCannotBeMutated", "The client metadata document may only be sent in the first hello");
                if (Bson.Write(client).Length > 512 || (client["driver"] as Doc)?["name"] is not string || (client["os"] as Doc)?["type"] is not string)
                    throw new ScriptedException(183, "ClientMetadataDocumentInvalid", "the client metadata document is not as it must be");
            }

            session.Greeted = true;
            var me = Member(server.Host);
            var reply = new Doc { { "helloOk", true } };
            if (me is null)
                AddNobody(reply);
            else
                AddMembership(reply, server, me);
            foreach (var field in new Doc { { "maxBsonObjectSize", 16777216 }, { "maxMessageSizeBytes", 48000000 }, { "maxWriteBatchSize", 100000 }, { "localTime", Now }, { "minWireVersion", 0 }, { "maxWireVersion", server.Version.StartsWith("7.0", StringComparison.Ordinal) ? 21 : 25 }, { "readOnly", false } })
                reply.Add(field);
            return reply;
        }
    }

    private static void AddNobody(Doc reply)
    {
        reply.Add("isWritablePrimary", false);
        reply.Add("secondary", false);
        reply.Add("info", "Does not have a valid replica set config");
        reply.Add("isreplicaset", true);
    }

    private void AddMembership(Doc reply, ScriptedMongod server, Doc me)
    {
        var arbiter = me["arbiterOnly"] is true;
        reply.Add("hosts", Members(_config!).Where(member => member["arbiterOnly"] is not true).Select(member => member["host"]).ToList());
        reply.Add("setName", "rs0");
        reply.Add("setVersion", _config!.Need<int>("version"));
        reply.Add("isWritablePrimary", _primary == server.Host);
        reply.Add("secondary", _primary != server.Host && !arbiter && !server.Copying);
        if (arbiter)
            reply.Add("arbiterOnly", true);
        if (_primary is not null)
            reply.Add("primary", _primary);
        reply.Add("me", server.Host);
        if (_primary == server.Host)
            reply.Add("electionId", new ObjectId($"7fffffff{_term:x16}"));
        reply.Add("lastWrite", new Doc { { "lastWriteDate", Now - server.Lag } });
    }

    internal Doc Run(ScriptedMongod server, string name, string database, Doc command, ScriptedSession session)
    {
        lock (_gate)
        {
            _log.Add(command);
            return name switch
            {
                "ping" => [],
                "buildInfo" => new() { { "version", server.Version }, { "gitVersion", "0000" } },
                "serverStatus" => new() { { "host", server.Host }, { "version", server.Version }, { "connections", new Doc { { "current", 3 }, { "available", 800 } } } },
                "dbStats" => new() { { "db", database }, { "collections", 4 }, { "fsUsedSize", server.UsedBytes }, { "fsTotalSize", 1024d * 1024 * 1024 }, { "ok", 1d } },
                "rotateCertificates" => OnAdmin(name, database, server.RotateCertificates),
                "replSetGetStatus" => OnAdmin(name, database, () => Status(server)),
                "replSetGetConfig" => OnAdmin(name, database, () => GetConfig(server, command)),
                "replSetReconfig" => OnAdmin(name, database, () => Reconfigure(server, command)),
                "replSetStepDown" => OnAdmin(name, database, () => StepDown(server, command)),
                _ => RunOnData(server, name, database, command, session),
            };
        }
    }

    private static Doc OnAdmin(string name, string database, Func<Doc> run) =>
        database == "admin" ? run() : throw new ScriptedException(13, "Unauthorized", $"{name} may only be run against the admin database.");

    private void NeedPrimary(ScriptedMongod server)
    {
        if (_primary != server.Host)
            throw new ScriptedException(10107, "NotWritablePrimary", "not primary");
    }

    private Doc Status(ScriptedMongod asked)
    {
        if (Member(asked.Host) is null)
            throw new ScriptedException(94, "NotYetInitialized", "no replset config has been received");
        var members = Members(_config!).Select(member =>
        {
            var server = _members.First(server => server.Host == member.Need<string>("host"));
            var (state, text) = !server.Up ? (8, "(not reachable/healthy)")
                : member["arbiterOnly"] is true ? (7, "ARBITER")
                : _primary == server.Host ? (1, "PRIMARY")
                : server.Copying ? (5, "STARTUP2")
                : (2, "SECONDARY");
            var status = new Doc { { "_id", member["_id"] }, { "name", server.Host }, { "health", server.Up ? 1.0 : 0.0 }, { "state", state }, { "stateStr", text } };
            if (state is 1 or 2 or 5)
                status.Add("optimeDate", Now - server.Lag);
            return (object?)status;
        }).ToList();
        return new() { { "set", "rs0" }, { "date", Now }, { "myState", 1 }, { "term", (long)_term }, { "members", members } };
    }

    private Doc GetConfig(ScriptedMongod server, Doc command)
    {
        if (_config is null || Member(server.Host) is null)
            throw new ScriptedException(94, "NotYetInitialized", "no replset config has been received");
        var reply = new Doc { { "config", _config } };
        if (command["commitmentStatus"] is true)
        {
            NeedPrimary(server);
            reply.Add("commitmentStatus", CommitsAtOnce);
        }

        return reply;
    }

    private Doc Reconfigure(ScriptedMongod server, Doc command)
    {
        NeedPrimary(server);
        var next = command.Need<Doc>("replSetReconfig");
        if (command["force"] is true)
            throw new InvalidOperationException("a forced reconfiguration: nobody may do that here");
        if (!CommitsAtOnce)
            throw new ScriptedException(308, "CurrentConfigNotCommittedYet", "Cannot run replSetReconfig because the current config is not majority committed");
        ScriptedReconfig.Check(_config!, next, server.Host, _writeConcern is not null);
        _config = next.With("term", _term);
        return [];
    }

    private Doc StepDown(ScriptedMongod server, Doc command)
    {
        NeedPrimary(server);
        var (period, catchUp) = (command.Need<int>("replSetStepDown"), command["secondaryCatchUpPeriodSecs"] as int? ?? 10);
        if (period <= catchUp)
            throw new ScriptedException(2, "BadValue", "stepdown period must be longer than secondaryCatchUpPeriodSecs");
        if (!Electable(except: server.Host).Any())
            throw new ScriptedException(262, "ExceededTimeLimit", "No electable secondaries caught up");
        Elect(except: server.Host);
        return [];
    }

    /// <summary>Another member takes over, as after a failure of the primary or a vote.</summary>
    public void Elect(string except)
    {
        lock (_gate)
        {
            var up = Members(_config ?? []).Count(member => _members.Any(server => server.Host == member.Need<string>("host") && server.Up));
            _primary = up * 2 > Members(_config ?? []).Count() ? Electable(except).FirstOrDefault()?.Host : null;
            _term++;
        }
    }

    private IEnumerable<ScriptedMongod> Electable(string except) => _members.Where(server =>
        server.Host != except && server is { Up: true, Copying: false } && server.Lag == TimeSpan.Zero && Member(server.Host) is { } member && member["arbiterOnly"] is not true);

    private Doc? Member(string host) => Members(_config ?? []).FirstOrDefault(member => member.Need<string>("host") == host);

    private static IEnumerable<Doc> Members(Doc config) => config["members"] is List<object?> members ? members.OfType<Doc>() : [];
}
