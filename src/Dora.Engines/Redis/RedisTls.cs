using System.Globalization;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Redis;

/// <summary>
/// How Redis speaks TLS (Redis documentation, "TLS Support"): on the port it always had, with nothing in the clear beside it; replicas,
/// Sentinels and the bus of a cluster included. Who connects is known by password, members among themselves by certificate too.
/// </summary>
internal static class RedisTls
{
    /// <summary>Where pods mount the certificate.</summary>
    public const string Folder = "/tls";

    /// <summary>The certificate of all members.</summary>
    public static CertificateRequest Certificate(RedisPlan plan) => new(plan.Names.CertificateSecret, CertificateNames.Of(plan.Names, plan.Mode switch
    {
        RedisMode.Sentinel => [plan.Names.Cluster, plan.Names.Replicas, RedisServices.SentinelName(plan.Names), plan.Names.Members],
        _ => [plan.Names.Cluster, plan.Names.Members],
    }));

    /// <summary>Where it is served. A Sentinel reads its files only when it starts.</summary>
    public static IReadOnlyList<TlsEndpoint> Endpoints(RedisPlan plan)
    {
        var host = $"{{pod}}.{plan.Names.Domain(plan.Names.Members)}";
        TlsEndpoint server = new("redis", RedisPlan.Port, plan.Names.CertificateSecret, host, CertificateReload.ByCommand);
        return plan.Mode == RedisMode.Sentinel ? [server, server with { Name = "sentinel", Port = RedisPlan.SentinelPort, Reload = CertificateReload.ByInterruption }] : [server];
    }

    /// <summary>Lines of redis.conf in place of <c>port</c>.</summary>
    public static IEnumerable<string> Server(RedisPlan plan) =>
    [
        .. Common(plan, RedisPlan.Port),
        .. plan.Mode == RedisMode.Cluster ? ["tls-cluster yes"] : Array.Empty<string>(),
    ];

    /// <summary>Lines of sentinel.conf in place of <c>port</c>.</summary>
    public static IEnumerable<string> Sentinel(RedisPlan plan) => Common(plan, RedisPlan.SentinelPort);

    /// <summary>Has a server read its certificate again; the change of a file alone is not noticed.</summary>
    public static async Task ReloadAsync(RedisPlan plan, string pod, EngineTarget target, CancellationToken cancellationToken)
    {
        if (target.Members.FirstOrDefault(member => member.Name == pod) is not { Address: not null } member)
            return;
        var server = await RedisAdmin.Of(plan, target).ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
            await server.SendAsync(cancellationToken, ["CONFIG", "SET", .. Files().SelectMany(file => new[] { file.Name, file.Path })]).ConfigureAwait(false);
    }

    /// <summary>
    /// Ends the Sentinel of a pod. It remembers all it knows on its volume, and its container starts it again at once; the others go on
    /// watching meanwhile.
    /// </summary>
    public static async Task RestartSentinelAsync(RedisPlan plan, string pod, EngineTarget target, CancellationToken cancellationToken)
    {
        if (target.Members.FirstOrDefault(member => member.Name == pod) is not { Address: not null } member)
            return;
        var sentinel = await RedisAdmin.Of(plan, target).ConnectAsync(member, RedisPlan.SentinelPort, cancellationToken).ConfigureAwait(false);
        await using var closing = sentinel.ConfigureAwait(false);
        try
        {
            await sentinel.SendAsync(cancellationToken, "SHUTDOWN").ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException)
        {
            // That is its answer.
        }
    }

    private static IEnumerable<string> Common(RedisPlan plan, int port) =>
    [
        "port 0",
        string.Create(CultureInfo.InvariantCulture, $"tls-port {port}"),
        .. Files().Select(file => $"{file.Name} {file.Path}"),
        "tls-auth-clients no",
        "tls-replication yes",
        plan.Names.Stack.Tls!.MinimumVersion == TlsVersion.Tls12 ? "tls-protocols \"TLSv1.2 TLSv1.3\"" : "tls-protocols \"TLSv1.3\"",
    ];

    private static IEnumerable<(string Name, string Path)> Files() =>
    [
        ("tls-cert-file", $"{Folder}/{CertificateRequest.Chain}"),
        ("tls-key-file", $"{Folder}/{CertificateRequest.Key}"),
        ("tls-ca-cert-file", $"{Folder}/{CertificateRequest.Trust}"),
    ];
}
