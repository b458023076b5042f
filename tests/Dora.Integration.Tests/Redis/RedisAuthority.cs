using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Testing.Http;

namespace Dora.Integration.Tests.Redis;

/// <summary>The authority of the servers of these tests, and the way to them for who trusts it.</summary>
internal static class RedisAuthority
{
    private static readonly TestCertificates _authority = new();

    /// <summary>What the Secret of the members' certificate holds; another certificate each time.</summary>
    public static IReadOnlyDictionary<string, string> Issue(RedisPlan plan) => _authority.ServerFiles(RedisTls.Certificate(plan).DnsNames);

    public static Task<RespClient> ConnectAsync(RedisPlan plan, MemberPod member, int port, string user, string password, CancellationToken cancellationToken) =>
        RespClient.ConnectAsync(
            member.Address!, port, user, password, cancellationToken, tls: ServerTrust.Of(_authority.AuthorityPem).Expecting($"{member.Name}.{plan.Names.Domain(plan.Names.Members)}"));
}
