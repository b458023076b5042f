using System.Net.Sockets;
using System.Security.Authentication;

namespace Dora.Engines.Redis;

/// <summary>Two passwords of one user (Redis documentation, "ACL SETUSER": a user may have many). No member tells another; each is told.</summary>
internal static class RedisLogins
{
    public static IReadOnlyList<RotatingRole> Of(RedisPlan plan) =>
        [new(plan.Names.AppSecret, RedisPlan.AppUser), .. plan.Users.Select(user => new RotatingRole(user.Secret, user.Name))];

    /// <summary>The passwords that a user shall have, as servers show them.</summary>
    public static IReadOnlyList<string> Hashes(EngineTarget target, string secret) =>
        [.. target.Logins(secret, "").Select(login => $"#{RedisUsers.Hash(login.Password)}").Distinct(StringComparer.Ordinal)];

    /// <summary>All at once: there is no moment without the passwords that stay. What the user may do stays as it is.</summary>
    public static string[] SetPasswords(string user, IReadOnlyList<Login> logins) =>
        ["ACL", "SETUSER", user, "resetpass", .. logins.Select(login => $"#{RedisUsers.Hash(login.Password)}").Distinct(StringComparer.Ordinal)];

    public static async Task AcceptAsync(RedisPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        var admin = RedisAdmin.Of(plan, target);
        foreach (var member in target.Members)
        {
            if (member.Address is null)
                throw new InvalidOperationException($"pod {member.Name} has no address");
            var client = await admin.ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            await client.SendAsync(cancellationToken, SetPasswords(role.Username, logins)).ConfigureAwait(false);
            await client.SendAsync(cancellationToken, "ACL", "SAVE").ConfigureAwait(false);
        }
    }

    public static Task<IReadOnlyList<LoginFinding>> LogInAsync(RedisPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = RedisAdmin.Of(plan, target) with { User = login.Username, Password = login.Password };
        return MemberPoll.AskAsync(target.Members, async (member, token) => new LoginFinding(member.Name, await LogInAsync(client, member, token).ConfigureAwait(false)), TimeProvider.System, cancellationToken);
    }

    private static async Task<LoginAnswer> LogInAsync(RedisAdmin user, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return LoginAnswer.Unknown;
        try
        {
            var connection = await user.ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
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
