using System.Net.Sockets;
using System.Security.Authentication;

namespace Dora.Engines.Redis;

/// <summary>
/// Two passwords of one user (Redis documentation, "ACL SETUSER": a user may have many). No member tells another; each is told. The
/// servers' own users are those by which replicas, Sentinels and members that hand over keys come to a server, and the operator and the
/// pods' scripts to all.
/// </summary>
internal static class RedisLogins
{
    private const string ReplicaUser = "replica";
    private const string SentinelUser = "sentinel";

    // Scripts read the administrator's password from a mounted file, which follows its Secret within about two minutes, and the
    // operator keeps what it read for five.
    private static readonly TimeSpan Mounted = TimeSpan.FromMinutes(10);

    public static IReadOnlyList<RotatingRole> Of(RedisPlan plan) =>
        [new(plan.Names.AppSecret, RedisPlan.AppUser), .. plan.Users.Where(user => !user.KeepsPassword).Select(user => new RotatingRole(user.Secret, user.Name)), .. Own(plan)];

    /// <summary>The passwords that a user shall have, as servers show them.</summary>
    public static IReadOnlyList<string> Hashes(EngineTarget target, string secret) =>
        [.. target.Logins(secret, "").Select(login => $"#{RedisUsers.Hash(login.Password)}").Distinct(StringComparer.Ordinal)];

    /// <summary>All at once: there is no moment without the passwords that stay. What the user may do stays as it is.</summary>
    public static string[] SetPasswords(string user, IReadOnlyList<Login> logins) =>
        ["ACL", "SETUSER", user, "resetpass", .. logins.Select(login => $"#{RedisUsers.Hash(login.Password)}").Distinct(StringComparer.Ordinal)];

    public static async Task AcceptAsync(RedisPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        // Who comes with it goes over to the one that stays before the other is refused.
        if (logins is [{ } only] && Use(plan, role, only) is { } use)
            await TellAsync(plan, use.Port, [use.Words], target, cancellationToken).ConfigureAwait(false);
        foreach (var (port, save) in Ports(plan, role))
            await TellAsync(plan, port, [SetPasswords(role.Username, logins), save], target, cancellationToken).ConfigureAwait(false);
    }

    public static async Task<IReadOnlyList<LoginFinding>> LogInAsync(RedisPlan plan, RotatingRole role, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = RedisAdmin.Of(plan, target) with { User = login.Username, Password = login.Password };
        var findings = new List<LoginFinding>();
        foreach (var (port, _) in Ports(plan, role))
            findings.AddRange(await MemberPoll.AskAsync(target.Members, async (member, token) => new LoginFinding(member.Name, await LogInAsync(client, member, port, token).ConfigureAwait(false)), TimeProvider.System, cancellationToken).ConfigureAwait(false));
        return findings;
    }

    // The administrator comes last: it is the way to tell of the others.
    private static IReadOnlyList<RotatingRole> Own(RedisPlan plan) =>
    [
        .. ((string[])[ReplicaUser, plan.Mode == RedisMode.Cluster ? RedisPlan.MigrateUser : SentinelUser, RedisPlan.AdminUser]).Select(user => new RotatingRole(plan.Names.InternalSecret, user, Key: $"{user}-password") { LeastOverlap = Mounted }),
    ];

    // Where a password is checked, and how what was told is kept. Sentinels know the administrator only.
    private static IEnumerable<(int Port, string[] Save)> Ports(RedisPlan plan, RotatingRole role)
    {
        yield return (RedisPlan.Port, ["ACL", "SAVE"]);
        if (plan.Mode == RedisMode.Sentinel && role.Username == RedisPlan.AdminUser)
            yield return (RedisPlan.SentinelPort, ["SENTINEL", "FLUSHCONFIG"]);
    }

    // Replicas come to their master with one password, Sentinels to servers with another, and to each other with the administrator's.
    private static (int Port, string[] Words)? Use(RedisPlan plan, RotatingRole role, Login login) => role.Username switch
    {
        _ when role.Key == RotatingRole.Password => null,
        ReplicaUser => (RedisPlan.Port, ["CONFIG", "SET", "masterauth", login.Password]),
        _ when plan.Mode != RedisMode.Sentinel => null,
        SentinelUser => (RedisPlan.SentinelPort, ["SENTINEL", "SET", RedisPlan.MasterName, "auth-pass", login.Password]),
        _ => (RedisPlan.SentinelPort, ["SENTINEL", "CONFIG", "SET", "sentinel-pass", login.Password]),
    };

    private static async Task TellAsync(RedisPlan plan, int port, IReadOnlyList<string[]> commands, EngineTarget target, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        foreach (var member in target.Members)
        {
            if (member.Address is null)
                throw new InvalidOperationException($"pod {member.Name} has no address");
            var client = await admin.ConnectAsync(member, port, cancellationToken).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            foreach (var command in commands)
                await client.SendAsync(cancellationToken, command).ConfigureAwait(false);
        }
    }

    private static async Task<LoginAnswer> LogInAsync(RedisAdmin user, MemberPod member, int port, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return LoginAnswer.Unknown;
        try
        {
            var connection = await user.ConnectAsync(member, port, cancellationToken).ConfigureAwait(false);
            await using (connection.ConfigureAwait(false))
                return LoginAnswer.Accepted;
        }
        catch (RespException exception)
        {
            return exception.Code == "WRONGPASS" ? LoginAnswer.Refused : LoginAnswer.Unknown;
        }
        catch (Exception exception) when (exception is SocketException or IOException or InvalidDataException or AuthenticationException or OperationCanceledException)
        {
            return LoginAnswer.Unknown;
        }
    }
}
