using System.Security.Cryptography;
using System.Text;

namespace Dora.Testing.MongoDb;

/// <summary>The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), and X.509.</summary>
internal sealed class ScriptedScram
{
    private readonly ScriptedUser _user;
    private readonly string _clientFirstBare;
    private readonly string _nonce;
    private readonly string _serverFirst;

    private ScriptedScram(ScriptedUser user, string clientFirstBare, string nonce)
    {
        (_user, _clientFirstBare, _nonce) = (user, clientFirstBare, nonce);
        _serverFirst = $"r={nonce},s={Convert.ToBase64String(user.Salt)},i={ScriptedUser.Iterations}";
    }

    public static Doc Start(ScriptedReplicaSet set, ScriptedMongod server, ScriptedSession session, Doc command)
    {
        if (command.Need<string>("mechanism") != "SCRAM-SHA-256")
            throw new ScriptedException(2, "BadValue", "Received authentication for mechanism that is not enabled");
        if ((command["options"] as Doc)?["skipEmptyExchange"] is not true)
            throw new ScriptedException(2, "BadValue", "this server speaks the short exchange only");
        var first = Encoding.UTF8.GetString(command.Need<byte[]>("payload"));
        if (!first.StartsWith("n,,n=", StringComparison.Ordinal))
            throw new ScriptedException(17, "ProtocolError", "the first message of SCRAM is wrong");
        var bare = first[3..];
        var name = bare.Split(',')[0][2..].Replace("=2C", ",", StringComparison.Ordinal).Replace("=3D", "=", StringComparison.Ordinal);
        // Arbiters hold no data, so they know no users.
        var user = set.IsArbiter(server) ? null : set.FindUser(name);
        if (user is null)
            throw Failed();
        session.Scram = new(user, bare, bare.Split(",r=")[1] + Convert.ToBase64String(RandomNumberGenerator.GetBytes(18)));
        return new() { { "conversationId", 1 }, { "done", false }, { "payload", Encoding.UTF8.GetBytes(session.Scram._serverFirst) } };
    }

    public static Doc Continue(ScriptedSession session, Doc command)
    {
        var scram = session.Scram ?? throw new ScriptedException(17, "ProtocolError", "No SASL session state found");
        session.Scram = null;
        if (command["conversationId"] is not 1)
            throw new ScriptedException(17, "ProtocolError", "sasl: Mismatched conversation id");
        var final = Encoding.UTF8.GetString(command.Need<byte[]>("payload"));
        var parts = final.Split(",p=");
        if (parts.Length != 2 || parts[0] != $"c=biws,r={scram._nonce}")
            throw new ScriptedException(17, "ProtocolError", "the final message of SCRAM is wrong");
        var message = Encoding.UTF8.GetBytes($"{scram._clientFirstBare},{scram._serverFirst},{parts[0]}");
        var key = HMACSHA256.HashData(scram._user.StoredKey, message).Zip(Convert.FromBase64String(parts[1]), (a, b) => (byte)(a ^ b)).ToArray();
        if (!SHA256.HashData(key).SequenceEqual(scram._user.StoredKey))
            throw Failed();
        session.User = scram._user.Name;
        var signature = HMACSHA256.HashData(scram._user.ServerKey, message);
        return new() { { "conversationId", 1 }, { "done", true }, { "payload", Encoding.UTF8.GetBytes($"v={Convert.ToBase64String(signature)}") } };
    }

    public static Doc X509(ScriptedReplicaSet set, ScriptedSession session, Doc command, string database)
    {
        if (command.Need<string>("mechanism") != "MONGODB-X509" || database != "$external")
            throw new ScriptedException(2, "BadValue", "the authenticate command is for X.509 on $external");
        if (session.Subject is null || !set.ExternalUsers.Contains(session.Subject))
            throw Failed();
        session.User = session.Subject;
        return new() { { "dbname", "$external" }, { "user", session.Subject } };
    }

    private static ScriptedException Failed() => new(18, "AuthenticationFailed", "Authentication failed.");
}

/// <summary>A user as a server keeps it: no password.</summary>
internal sealed class ScriptedUser
{
    public const int Iterations = 15000;

    public ScriptedUser(string name, string password, List<object?> roles, Doc? customData)
    {
        (Name, Roles, CustomData) = (name, roles, customData);
        var salted = Rfc2898DeriveBytes.Pbkdf2(Encoding.UTF8.GetBytes(password), Salt, Iterations, HashAlgorithmName.SHA256, 32);
        StoredKey = SHA256.HashData(HMACSHA256.HashData(salted, "Client Key"u8.ToArray()));
        ServerKey = HMACSHA256.HashData(salted, "Server Key"u8.ToArray());
    }

    public ScriptedUser(ScriptedUser before, List<object?> roles) =>
        (Name, Roles, CustomData, Salt, StoredKey, ServerKey) = (before.Name, roles, before.CustomData, before.Salt, before.StoredKey, before.ServerKey);

    public string Name { get; }

    public List<object?> Roles { get; set; }

    public Doc? CustomData { get; set; }

    public byte[] Salt { get; } = RandomNumberGenerator.GetBytes(28);

    public byte[] StoredKey { get; }

    public byte[] ServerKey { get; }
}
