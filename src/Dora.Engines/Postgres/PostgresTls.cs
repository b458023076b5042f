using System.Security.Authentication;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>Certificates of the servers and the pooler, where they lie in the pods, and which ports show them.</summary>
internal static class PostgresTls
{
    public const string Folder = "/tls";
    public const string Chain = $"{Folder}/{CertificateRequest.Chain}";
    public const string Key = $"{Folder}/{CertificateRequest.Key}";
    public const string Trust = $"{Folder}/{CertificateRequest.Trust}";

    // The kubelet gives a Secret's files to root and the pod's group. PostgreSQL takes a key of root's that its group may read, and
    // nobody else (PostgreSQL documentation, "Secure TCP/IP Connections with SSL").
    private const int ReadByGroup = 0b100_100_000;

    public static Volume Volume(string secret) => new("tls", Secret: new(secret, DefaultMode: ReadByGroup));

    public static VolumeMount Mount { get; } = new("tls", Folder, ReadOnly: true);

    /// <summary>
    /// Starts a program as the container's first process, and beside it what has it read its certificate again when the mounted files
    /// change. PgBouncer knows no other way. Patroni is told by the operator too; but a certificate that has run out is believed by
    /// nobody, the operator included, so the one that follows it must not wait for a word.
    /// </summary>
    /// <param name="program">Program and arguments; it reads its files again at SIGHUP.</param>
    /// <param name="files">Other files of which the same is true.</param>
    public static string Start(string program, params IEnumerable<string> files) => Watch(program, files.Concat([Chain, Key, Trust]));

    /// <summary>The same for a program that has no certificate.</summary>
    public static string Watch(string program, params IEnumerable<string> files) =>
        // The shell's own variable for its number is two dollars, of which Kubernetes takes one away (Container, "command").
        $"read -r self rest </proc/self/stat; files='{string.Join(' ', files)}'; seen=$(cat $files | cksum); (while sleep 10; do now=$(cat $files | cksum); [ \"$now\" = \"$seen\" ] || {{ seen=$now; kill -HUP $self; }}; done) & exec {program}";

    /// <summary>The oldest version that servers accept; all that run here know 1.3.</summary>
    public static TlsVersion Minimum(PostgresPlan plan) => plan.Names.Stack.Tls?.MinimumVersion ?? TlsVersion.Tls13;

    /// <summary>The same as OpenSSL and PostgreSQL write it.</summary>
    public static string MinimumName(PostgresPlan plan) => Minimum(plan) == TlsVersion.Tls12 ? "TLSv1.2" : "TLSv1.3";

    /// <summary>The versions as .NET names them.</summary>
    public static SslProtocols Protocols(PostgresPlan plan) => Minimum(plan) == TlsVersion.Tls12 ? SslProtocols.Tls12 | SslProtocols.Tls13 : SslProtocols.Tls13;

    /// <summary>The DNS name by which a member is known, whatever its address is.</summary>
    public static string Host(PostgresPlan plan, MemberPod member) => $"{member.Name}.{plan.Names.Domain(plan.Names.Members)}";

    public static IReadOnlyList<CertificateRequest> Certificates(PostgresPlan plan)
    {
        var names = plan.Names;
        if (!names.Encrypted)
            return [];
        return
        [
            new(names.CertificateSecret, CertificateNames.Of(names, names.Cluster, names.Replicas, names.Members)),
            .. plan.Pooler is { } pooler ? [new(pooler.Names.CertificateSecret, CertificateNames.Of(pooler.Names, pooler.Names.Cluster))] : Array.Empty<CertificateRequest>(),
            .. PgBackRest.Serves(plan) ? [PgBackRest.Client(plan)] : Array.Empty<CertificateRequest>(),
        ];
    }

    public static IReadOnlyList<TlsEndpoint> Endpoints(PostgresPlan plan)
    {
        var names = plan.Names;
        if (!names.Encrypted)
            return [];
        var member = $"{{pod}}.{names.Domain(names.Members)}";
        return
        [
            new("postgresql", PostgresPlan.Port, names.CertificateSecret, member, CertificateReload.ByCommand, TlsStart.PostgresRequest),
            new("patroni", PostgresPlan.RestPort, names.CertificateSecret, member, CertificateReload.ByCommand),
            .. plan.Pooler is { } pooler
                ? [new("pooler", PostgresPooler.Port, pooler.Names.CertificateSecret, names.Domain(pooler.Names.Cluster), CertificateReload.ByItself, TlsStart.PostgresRequest, pooler.Names.Selector)]
                : Array.Empty<TlsEndpoint>(),
        ];
    }
}
