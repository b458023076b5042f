using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Dora.Kubernetes.Client;

/// <summary>Where an API server is, how to trust it, and who we are.</summary>
/// <param name="Server">Base address; may hold a path prefix.</param>
/// <param name="Namespace">The namespace of the pod or of the kubeconfig context.</param>
/// <param name="CertificateAuthorityPem">Certificates to trust; null: those of the system.</param>
/// <param name="TlsServerName">Name expected in the server's certificate; null: the host of <paramref name="Server"/>.</param>
/// <param name="InsecureSkipTlsVerify">Trust any certificate.</param>
/// <param name="Proxy">http, https or socks5 proxy. Proxies of the environment are not used: NO_PROXY knows no address ranges here.</param>
/// <param name="Credentials">Null: anonymous.</param>
public sealed record KubeConfig(
    Uri Server,
    string? Namespace = null,
    string? CertificateAuthorityPem = null,
    string? TlsServerName = null,
    bool InsecureSkipTlsVerify = false,
    Uri? Proxy = null,
    KubeCredentials? Credentials = null)
{
    /// <summary>Where the kubelet mounts the service account.</summary>
    public const string ServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";

    /// <summary>The configuration of a pod: its service account and the address in its environment.</summary>
    /// <param name="folder">Folder with <c>token</c>, <c>ca.crt</c> and <c>namespace</c>; null: the standard one.</param>
    /// <param name="environment">Reads environment variables; null: those of the process.</param>
    /// <exception cref="KubeConfigException">Not in a pod, or the pod has no service account mounted.</exception>
    public static KubeConfig InCluster(string? folder = null, Func<string, string?>? environment = null)
    {
        folder ??= ServiceAccountFolder;
        environment ??= Environment.GetEnvironmentVariable;
        var host = environment("KUBERNETES_SERVICE_HOST");
        var port = environment("KUBERNETES_SERVICE_PORT");
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port))
            throw new KubeConfigException("Not in a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, and no kubeconfig was found. Set KUBECONFIG or pass --kubeconfig.");
        var token = Path.Combine(folder, "token");
        if (!File.Exists(token))
            throw new KubeConfigException($"No service account token at {token}: set automountServiceAccountToken, or pass a kubeconfig.");
        var ca = Path.Combine(folder, "ca.crt");
        var ns = Path.Combine(folder, "namespace");
        return new(
            new Uri($"https://{Bracketed(host)}:{port}"),
            File.Exists(ns) ? File.ReadAllText(ns).Trim() : null,
            File.Exists(ca) ? File.ReadAllText(ca) : null,
            Credentials: new(TokenFile: token));
    }

    /// <summary>
    /// The kubeconfig at <paramref name="path"/>; else of KUBECONFIG (several files: the first to name a thing wins);
    /// else <c>~/.kube/config</c>; else that of the pod.
    /// </summary>
    /// <param name="path">A kubeconfig file, or null.</param>
    /// <param name="context">A context in it; null: its current one.</param>
    /// <param name="environment">Reads environment variables; null: those of the process.</param>
    /// <exception cref="KubeConfigException">The file cannot be read or lacks something; the message says what.</exception>
    public static KubeConfig Load(string? path = null, string? context = null, Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        if (path is not null)
            return KubeConfigFile.Load([path], context, mustExist: true);
        if (environment("KUBECONFIG") is { Length: > 0 } variable)
            return KubeConfigFile.Load(variable.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries), context, mustExist: false);
        var home = Path.Combine(environment("HOME") ?? "/", ".kube", "config");
        return File.Exists(home) ? KubeConfigFile.Load([home], context, mustExist: true) : InCluster(environment: environment);
    }

    private static string Bracketed(string host) =>
        IPAddress.TryParse(host, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6
            ? string.Create(CultureInfo.InvariantCulture, $"[{address}]")
            : host;
}

/// <summary>Who we are to the API server. Its text form holds no secret.</summary>
/// <param name="ClientCertificatePem">Client certificate, chain included.</param>
/// <param name="ClientKeyPem">Its private key.</param>
/// <param name="Token">A bearer token.</param>
/// <param name="TokenFile">A file with a bearer token, read again every 60 s; wins over <paramref name="Token"/>.</param>
/// <param name="Exec">A program that prints credentials.</param>
/// <param name="Username">For basic authentication.</param>
/// <param name="Password">For basic authentication.</param>
public sealed record KubeCredentials(
    string? ClientCertificatePem = null,
    string? ClientKeyPem = null,
    string? Token = null,
    string? TokenFile = null,
    ExecPlugin? Exec = null,
    string? Username = null,
    string? Password = null)
{
    /// <inheritdoc/>
    public override string ToString() => this switch
    {
        { Exec: { } exec } => $"exec {exec.Command}",
        { TokenFile: { } file } => $"token file {file}",
        { Token: not null } => "token",
        { ClientCertificatePem: not null } => "client certificate",
        { Username: { } user } => $"user {user}",
        _ => "anonymous",
    };
}

/// <summary>A credential plugin of client.authentication.k8s.io: a program that prints an ExecCredential.</summary>
/// <param name="ApiVersion">client.authentication.k8s.io/v1 or v1beta1.</param>
/// <param name="Command">Program; relative to the kubeconfig if it holds a slash.</param>
/// <param name="Args">Arguments, handed over without a shell.</param>
/// <param name="Env">More environment variables.</param>
/// <param name="ProvideClusterInfo">Tell the program which cluster it is for.</param>
/// <param name="InstallHint">What to tell people who lack the program.</param>
public sealed record ExecPlugin(
    string ApiVersion,
    string Command,
    IReadOnlyList<string>? Args = null,
    IReadOnlyDictionary<string, string>? Env = null,
    bool ProvideClusterInfo = false,
    string? InstallHint = null)
{
    /// <inheritdoc/>
    public override string ToString() => $"exec {Command}";
}

/// <summary>A kubeconfig, service account or credential plugin cannot be used; the message says what to do.</summary>
public sealed class KubeConfigException : Exception
{
    internal KubeConfigException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
