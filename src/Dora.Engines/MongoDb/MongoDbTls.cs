using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>
/// How MongoDB speaks TLS (MongoDB manual, "Configure mongod and mongos for TLS/SSL"): on the port it always had, members among
/// themselves too. They check each other's certificate and prove by the keyfile, inside TLS, that they belong to the set.
/// </summary>
internal static class MongoDbTls
{
    /// <summary>Where pods mount the certificate.</summary>
    public const string Folder = "/tls";

    /// <summary>Variable of <see cref="Options"/>; a pod of an older stack version has none.</summary>
    public const string Variable = "MONGODB_TLS";

    /// <summary>
    /// What the shell adds to an address to reach the server of its own pod: that is a loopback address, whatever name the certificate
    /// has, but the authority is checked.
    /// </summary>
    public const string Options = $"&tls=true&tlsCAFile={Trust}&tlsAllowInvalidHostnames=true";

    private const string Trust = $"{Folder}/{CertificateRequest.Trust}";

    /// <summary>Of all members, the arbiter among them. The server reads key and certificate from one file.</summary>
    public static CertificateRequest Certificate(MongoDbPlan plan) =>
        new(plan.Names.CertificateSecret, CertificateNames.Of(plan.Names, plan.Names.Cluster, plan.Names.Replicas, plan.Names.Members), NeedsCombined: true);

    /// <summary>Where it is served. An arbiter knows no users, so nobody can log in and tell it of a new certificate.</summary>
    public static IReadOnlyList<TlsEndpoint> Endpoints(MongoDbPlan plan)
    {
        TlsEndpoint data = new(
            "mongodb",
            MongoDbPlan.DefaultPort,
            plan.Names.CertificateSecret,
            Host(plan, "{pod}"),
            CertificateReload.ByCommand,
            Pods: Component(plan, MongoDbStatefulSet.DataComponent),
            Plain: PlainSpeech.MongoHello);
        return plan.Arbiter ? [data, data with { Name = "arbiter", Reload = CertificateReload.ByRestart, Pods = Component(plan, MongoDbStatefulSet.ArbiterComponent) }] : [data];
    }

    /// <summary>The DNS name by which a pod is known, whatever its address is.</summary>
    public static string Host(MongoDbPlan plan, string pod) => $"{pod}.{plan.Names.Domain(plan.Names.Members)}";

    /// <summary>Lines of mongod.conf under <c>net</c> (MongoDB manual, "Configuration File Options", net.tls); empty without TLS.</summary>
    public static string Server(MongoDbPlan plan) => !plan.Names.Encrypted ? "" : $"""

          tls:
            mode: requireTLS
            certificateKeyFile: {Folder}/{CertificateRequest.Combined}
            CAFile: {Trust}
            allowConnectionsWithoutCertificates: true
            disabledProtocols: {(plan.Names.Stack.Tls!.MinimumVersion == TlsVersion.Tls12 ? "TLS1_0,TLS1_1" : "TLS1_0,TLS1_1,TLS1_2")}
        """;

    /// <summary>A script whose shell connects as its pod is served: pods of an older stack version see the new file before they restart.</summary>
    public static string Connecting(string script)
    {
        const string last = "serverSelectionTimeoutMS=3000";
        return script.Contains(last, StringComparison.Ordinal)
            ? script.Replace(last, $"{last}${{{Variable}:-}}", StringComparison.Ordinal)
            : throw new InvalidOperationException("a script connects in another way than expected");
    }

    /// <summary>What stands against a change between plain and encrypted connections; a server that is alone has nobody to find.</summary>
    public static IEnumerable<Violation> Change(MongoDbPlan plan, EngineObservation observed) =>
        Alone(plan, observed) ? [] : TransportChange.Check(plan.Names, "members of a replica set", observed);

    private static bool Alone(MongoDbPlan plan, EngineObservation observed) =>
        plan.Voters == 1 && observed.Workload?.Spec?.Replicas is null or 1;

    /// <summary>
    /// Has a server read its certificate again (MongoDB manual, <c>rotateCertificates</c>, since 5.0): connections that stand keep the
    /// old one. A server that is copying knows no users yet, and is told when it follows.
    /// </summary>
    public static async Task ReloadAsync(MongoDbPlan plan, string pod, EngineTarget target, CancellationToken cancellationToken)
    {
        if (target.Members.FirstOrDefault(member => member.Name == pod) is not { Address: not null } member)
            return;
        var client = await MongoDbTopology.ConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        if (!client.Hello.IsWritablePrimary && !client.Hello.Secondary)
            return;
        await MongoDbTopology.LogInAsync(plan, target, client, cancellationToken).ConfigureAwait(false);
        await client.RunAsync("admin", new() { { "rotateCertificates", 1 } }, cancellationToken).ConfigureAwait(false);
    }

    private static Dictionary<string, string> Component(MongoDbPlan plan, string component) =>
        new(plan.Names.Selector) { [MongoDbStatefulSet.ComponentLabel] = component };
}
