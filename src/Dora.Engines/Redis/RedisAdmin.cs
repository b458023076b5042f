using System.Net.Sockets;
using System.Text;

namespace Dora.Engines.Redis;

/// <summary>
/// The operator's way to the servers and Sentinels of a cluster: as user admin and, where connections are encrypted, only to whom
/// the stack's authority knows by the member's name.
/// </summary>
/// <param name="Plan">Whose servers.</param>
/// <param name="Password">Of user admin.</param>
/// <param name="Trust">Whom to believe; null: connections are plain.</param>
internal sealed record RedisAdmin(RedisPlan Plan, string Password, ServerTrust? Trust)
{
    /// <summary>The way to those whom a target names.</summary>
    public static RedisAdmin Of(RedisPlan plan, EngineTarget target) => new(
        plan,
        target.Credential(plan.Names.InternalSecret, "admin-password"),
        plan.Names.Encrypted ? target.Trust(plan.Names.CertificateSecret) : null);

    /// <summary>Who logs in; the operator itself unless said otherwise.</summary>
    public string User { get; init; } = RedisPlan.AdminUser;

    /// <summary>Connects to a port of a member that has an address.</summary>
    /// <exception cref="RespException">The server refuses the user.</exception>
    /// <exception cref="System.Security.Authentication.AuthenticationException">It is not who it should be.</exception>
    public Task<RespClient> ConnectAsync(MemberPod member, int port, CancellationToken cancellationToken, Encoding? encoding = null) => RespClient.ConnectAsync(
        member.Address!, port, User, Password, cancellationToken, encoding, Trust?.Expecting($"{member.Name}.{Plan.Names.Domain(Plan.Names.Members)}"));

    /// <summary>Asks one member; no answer, and why, when it does not.</summary>
    public async Task<(T? Answer, string? Problem)> TryAsync<T>(MemberPod member, int port, Func<RespClient, CancellationToken, Task<T>> question, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            var client = await ConnectAsync(member, port, cancellationToken).ConfigureAwait(false);
            await using (client.ConfigureAwait(false))
                return (await question(client, cancellationToken).ConfigureAwait(false), null);
        }
        catch (RespException exception)
        {
            return (null, exception.Code == "WRONGPASS" ? "the operator's password is refused" : $"answers {exception.Code}");
        }
        catch (System.Security.Authentication.AuthenticationException)
        {
            return (null, "its certificate is not of this stack's authority and for its name");
        }
        catch (Exception exception) when (exception is SocketException or IOException or InvalidDataException)
        {
            return (null, "does not answer");
        }
        catch (OperationCanceledException)
        {
            return (null, "did not answer in time");
        }
    }
}
