using System.Net.Sockets;
using System.Security.Authentication;
using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Finds members and logs in as the operator.</summary>
internal static class MongoDbTopology
{
    /// <summary>Connects to a member; nobody is logged in yet. A pod that mounts its certificate is spoken to by TLS, and never without.</summary>
    public static Task<MongoClient> ConnectAsync(MongoDbPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        var address = member.Address ?? throw new InvalidOperationException($"pod {member.Name} has no address");
        var tls = member.Encrypted ? new MongoTls(MongoDbTls.Host(plan, member.Name), target.Trust(plan.Names.CertificateSecret)) : null;
        return MongoClient.ConnectAsync(new(address, plan.Port, tls), cancellationToken);
    }

    /// <summary>Logs in as the administrator whom the Secret names, or as the other one who takes turns, where only that is known.</summary>
    public static async Task LogInAsync(MongoDbPlan plan, EngineTarget target, MongoClient client, CancellationToken cancellationToken)
    {
        var ways = target.Ways(MongoDbLogins.Administrator(plan));
        foreach (var (number, login) in ways.Index())
        {
            try
            {
                await client.AuthenticateAsync(login.Username, login.Password, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (MongoException exception) when (exception.Code == MongoException.AuthenticationFailed && number < ways.Count - 1)
            {
                // The next one may be known.
            }
        }
    }

    /// <summary>A connection to the member that takes writes now, logged in. It may be another than the last probe found.</summary>
    public static Task<MongoClient> PrimaryAsync(MongoDbPlan plan, EngineTarget target, CancellationToken cancellationToken) =>
        PrimaryAsync(plan, target, target.Members.FirstOrDefault(member => member.Role == Api.Labels.PrimaryRole)?.Name, cancellationToken);

    /// <summary>The same, beginning with the pod that it probably is: a member that is away would cost its deadline first.</summary>
    public static async Task<MongoClient> PrimaryAsync(MongoDbPlan plan, EngineTarget target, string? probably, CancellationToken cancellationToken)
    {
        foreach (var member in target.Members.Where(member => member.Address is not null).OrderByDescending(member => member.Name == probably))
        {
            var client = await TryConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
            if (client is null)
                continue;
            try
            {
                if (client.Hello.IsWritablePrimary)
                {
                    await LogInAsync(plan, target, client, cancellationToken).ConfigureAwait(false);
                    return client;
                }
            }
            catch
            {
                await client.DisposeAsync().ConfigureAwait(false);
                throw;
            }

            await client.DisposeAsync().ConfigureAwait(false);
        }

        throw new InvalidOperationException("no member is primary now");
    }

    /// <summary>Whether this is how a server that is away, or is no server, shows.</summary>
    public static bool IsAbsence(Exception exception) =>
        exception is SocketException or IOException or InvalidDataException or TimeoutException or AuthenticationException;

    private static async Task<MongoClient?> TryConnectAsync(MongoDbPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            return await ConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsAbsence(exception) || exception is MongoException)
        {
            return null;
        }
    }
}
