using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.InfluxDb;

/// <summary>
/// How InfluxDB speaks TLS on its HTTP port. The server is told by its environment, so that the one which makes the administrator, on
/// the pod's loopback address, needs none. It reads its certificate only when it starts.
/// </summary>
internal static class InfluxDbTls
{
    public const string Folder = "/tls";

    private const string Trust = $"{Folder}/{CertificateRequest.Trust}";

    /// <summary>1.6 can be told no version after 1.2 to begin with, though it speaks 1.3 with whoever does.</summary>
    public static TlsVersion Oldest(InfluxDbPlan plan) => plan.IsV2 ? TlsVersion.Tls13 : TlsVersion.Tls12;

    public static CertificateRequest Certificate(InfluxDbPlan plan) =>
        new(plan.Names.CertificateSecret, CertificateNames.Of(plan.Names, plan.Names.Cluster, plan.Names.Replicas, plan.Names.Members));

    public static TlsEndpoint Endpoint(InfluxDbPlan plan) => new(
        "influxdb", InfluxDbPlan.HttpPort, plan.Names.CertificateSecret, $"{{pod}}.{plan.Names.Domain(plan.Names.Members)}", CertificateReload.ByRestart, Oldest: Oldest(plan));

    public static IEnumerable<Violation> Check(InfluxDbPlan plan)
    {
        if (plan.Names.Encrypted && plan.Names.Stack.Tls!.MinimumVersion > Oldest(plan))
            yield return new("spec.tls.minimumVersion", $"InfluxDB {plan.Version} cannot refuse TLS 1.2", "set 1.2, or leave it out: then every engine refuses what it can");
    }

    /// <summary>Variables of the server.</summary>
    public static IEnumerable<EnvVar> Environment(InfluxDbPlan plan)
    {
        if (!plan.Names.Encrypted)
            return [];
        const string chain = $"{Folder}/{CertificateRequest.Chain}";
        const string key = $"{Folder}/{CertificateRequest.Key}";
        return plan.IsV2
            ?
            [
                new("INFLUXD_TLS_CERT", chain),
                new("INFLUXD_TLS_KEY", key),
                new("INFLUXD_TLS_MIN_VERSION", plan.Names.Stack.Tls!.MinimumVersion == TlsVersion.Tls12 ? "1.2" : "1.3"),
                // Streams to the second server trust the stack's authority and nobody else (Go documentation, crypto/x509).
                new("SSL_CERT_FILE", Trust),
            ]
            :
            [
                new("INFLUXDB_HTTP_HTTPS_ENABLED", "true"),
                new("INFLUXDB_HTTP_HTTPS_CERTIFICATE", chain),
                new("INFLUXDB_HTTP_HTTPS_PRIVATE_KEY", key),
                new("INFLUXDB_TLS_MIN_VERSION", "tls1.2"),
            ];
    }

    /// <summary>A probe's script that asks the server of its own pod over TLS; the address is its own, whatever the certificate says.</summary>
    public static string Probing(InfluxDbPlan plan, string script) => !plan.Names.Encrypted ? script
        : plan.IsV2 ? script.Replace("curl -", $"curl --cacert {Trust} -", StringComparison.Ordinal).Replace("http://127.0.0.1:", "https://localhost:", StringComparison.Ordinal)
        : script.Replace("influx -host", "influx -ssl -unsafeSsl -host", StringComparison.Ordinal);
}
