using System.Globalization;
using Dora.Api;
using Dora.Engines.Neo4j.QueryApi;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Neo4j;

/// <summary>
/// How Neo4j speaks TLS (Neo4j operations manual, "SSL framework"): Bolt and HTTPS for clients, and what members of a cluster say to
/// each other, where each shows its certificate to the other. There is no HTTP. Metrics know no TLS and hold no data.
/// </summary>
internal static class Neo4jTls
{
    /// <summary>Where pods mount the certificate, by the names that the server knows.</summary>
    public const string Folder = "/tls";

    /// <summary>An empty folder: the server wants one for revoked certificates, of which a stack's authority publishes none.</summary>
    public const string Revoked = "/run/neo4j/revoked";

    public static CertificateRequest Certificate(Neo4jPlan plan) =>
        new(plan.Names.CertificateSecret, CertificateNames.Of(plan.Names, plan.Names.Cluster, plan.Names.Members));

    /// <summary>
    /// Where it is served to clients. The Enterprise Edition reads it again when told, since 2025.03; others read it when they start.
    /// </summary>
    public static IReadOnlyList<TlsEndpoint> Endpoints(Neo4jPlan plan)
    {
        TlsEndpoint bolt = new(
            "bolt",
            Neo4jPlan.BoltPort,
            plan.Names.CertificateSecret,
            $"{{pod}}.{plan.Names.Domain(plan.Names.Members)}",
            Reloads(plan) ? CertificateReload.ByCommand : CertificateReload.ByRestart,
            Plain: PlainSpeech.BoltHandshake);
        return [bolt, bolt with { Name = "https", Port = Neo4jPlan.HttpsPort, Plain = PlainSpeech.Anything }];
    }

    /// <summary>
    /// Settings of neo4j.conf. The server ignores a suffix of a policy that it does not know: each name here is held against the
    /// documentation's list by a test.
    /// </summary>
    public static IEnumerable<(string Name, string Value)> Settings(Neo4jPlan plan)
    {
        if (!plan.Names.Encrypted)
            return [("server.http.listen_address", Port(Neo4jPlan.HttpPort)), ("server.https.enabled", "false")];
        return
        [
            ("server.http.enabled", "false"),
            ("server.https.enabled", "true"),
            ("server.https.listen_address", Port(Neo4jPlan.HttpsPort)),
            ("server.bolt.tls_level", "REQUIRED"),
            .. Policy(plan, "bolt", "NONE"),
            .. Policy(plan, "https", "NONE"),
            .. plan.Clustered ? [.. Policy(plan, "cluster", "REQUIRE"), ("dbms.ssl.policy.cluster.verify_hostname", "true")] : Array.Empty<(string, string)>(),
            .. Reloads(plan) ? [("dbms.security.tls_reload_enabled", "true")] : Array.Empty<(string, string)>(),
        ];
    }

    /// <summary>The script that starts a server, which makes the folder of revoked certificates too.</summary>
    public static string Starting(string script)
    {
        const string folders = "mkdir -p \"$NEO4J_CONF\" /data/logs";
        return script.Contains(folders, StringComparison.Ordinal)
            ? script.Replace(folders, $"{folders} {Revoked}", StringComparison.Ordinal)
            : throw new InvalidOperationException("the script makes other folders than expected");
    }

    /// <summary>The certificate under the server's names. What is trusted stands in a folder of its own, and nothing else in it.</summary>
    public static Volume Volume(Neo4jPlan plan, int mode) => new("tls", Secret: new(plan.Names.CertificateSecret, DefaultMode: mode, Items:
    [
        new(CertificateRequest.Key, "private.key"),
        new(CertificateRequest.Chain, "public.crt"),
        new(CertificateRequest.Trust, "trusted/ca.crt"),
    ]));

    /// <summary>What stands against a change between plain and encrypted connections; a server that is alone has nobody to find.</summary>
    public static IEnumerable<Violation> Change(Neo4jPlan plan, EngineObservation observed) =>
        Alone(plan, observed) ? [] : TransportChange.Check(plan.Names, "members of a cluster of Neo4j", observed);

    private static bool Alone(Neo4jPlan plan, EngineObservation observed) =>
        !plan.Clustered && observed.Workload?.Spec?.Replicas is null or 1;

    /// <summary>How pods are reached: those that mount their certificate by TLS, and never without.</summary>
    public static QueryTransport Transport(Neo4jPlan plan, EngineTarget target) =>
        target.Members.Any(member => member.Encrypted) ? QueryTransport.Tls(target.Trust(plan.Names.CertificateSecret)) : QueryTransport.Plain;

    /// <summary>
    /// Has the server of a pod read its certificate again. As reading, since what writes may be passed on to another member, and where
    /// each member has a copy of its own, unless the system database takes no such procedure.
    /// </summary>
    public static async Task ReloadAsync(Neo4jPlan plan, QueryClient admin, string pod, EngineTarget target, CancellationToken cancellationToken)
    {
        if (Neo4jProbe.Endpoints(plan, target.Members.Where(member => member.Name == pod), null) is not [var member])
            return;
        try
        {
            await admin.RunAsync(member, Neo4jPlan.SystemDatabase, Cypher.ReloadCertificate, [], cancellationToken).ConfigureAwait(false);
        }
        catch (QueryException exception) when (exception.Kind == QueryErrorKind.Rejected)
        {
            await admin.RunAsync(member, Neo4jPlan.DefaultDatabase, Cypher.ReloadCertificate, [], cancellationToken).ConfigureAwait(false);
        }
    }

    private static bool Reloads(Neo4jPlan plan) => plan.Enterprise && !plan.Version.StartsWith("5.", StringComparison.Ordinal);

    private static IEnumerable<(string Name, string Value)> Policy(Neo4jPlan plan, string scope, string clients) =>
        from setting in new[]
        {
            ("enabled", "true"),
            ("base_directory", Folder),
            ("private_key", "private.key"),
            ("public_certificate", "public.crt"),
            ("trusted_dir", "trusted"),
            ("revoked_dir", Revoked),
            ("client_auth", clients),
            ("tls_versions", plan.Names.Stack.Tls!.MinimumVersion == TlsVersion.Tls12 ? "TLSv1.2,TLSv1.3" : "TLSv1.3"),
        }
        select ($"dbms.ssl.policy.{scope}.{setting.Item1}", setting.Item2);

    private static string Port(int port) => string.Create(CultureInfo.InvariantCulture, $":{port}");
}
