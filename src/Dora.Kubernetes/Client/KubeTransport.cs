using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Kubernetes.Client;

/// <summary>
/// The connections: HTTP/2 by ALPN over TLS for requests, HTTP/1.1 for watches and without TLS. A new client certificate means new
/// connections.
/// </summary>
internal sealed class KubeTransport : IDisposable
{
    private readonly KubeConfig _config;
    private readonly X509Certificate2Collection? _trusted;
    private readonly Lock _lock = new();
    private readonly bool _own;
    private HttpMessageInvoker? _invoker;
    private X509Certificate2Collection? _certificates;

    public KubeTransport(KubeConfig config, HttpMessageHandler? handler)
    {
        _config = config;
        _trusted = Trusted(config.CertificateAuthorityPem);
        _own = handler is null;
        if (handler is not null)
            _invoker = new(handler, disposeHandler: false);
    }

    /// <summary>The connections that present this credential's certificate.</summary>
    public HttpMessageInvoker For(Credential credential)
    {
        lock (_lock)
        {
            if (_invoker is not null && (!_own || ReferenceEquals(_certificates, credential.Certificates)))
                return _invoker;

            // Requests on the old connections end in peace: those are not closed here, but when they fall idle.
            _certificates = credential.Certificates;
            _invoker = new(Handler(credential.Certificates), disposeHandler: true);
            return _invoker;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
            _invoker?.Dispose();
    }

    private SocketsHttpHandler Handler(X509Certificate2Collection? certificates)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            EnableMultipleHttp2Connections = true,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            ConnectCallback = ConnectAsync,
            KeepAlivePingDelay = TimeSpan.FromSeconds(30),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(15),
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
            UseProxy = _config.Proxy is not null,
            Proxy = _config.Proxy is { } proxy ? new WebProxy(proxy) : null,
        };
        handler.SslOptions = new SslClientAuthenticationOptions
        {
            CertificateChainPolicy = ChainPolicy(),
            ClientCertificateContext = certificates is { Count: > 0 }
                ? SslStreamCertificateContext.Create(certificates[0], new X509Certificate2Collection(certificates.Skip(1).ToArray()), offline: true)
                : null,
        };
        if (_config.InsecureSkipTlsVerify)
#pragma warning disable CA5359 // The kubeconfig asks for it by insecure-skip-tls-verify.
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        return handler;
    }

    // A watch may have nothing to say for a minute: without the kernel's probes nobody would notice that its server is gone.
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private X509ChainPolicy? ChainPolicy()
    {
        if (_trusted is null)
            return null;
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(_trusted);
        return policy;
    }

    private static X509Certificate2Collection? Trusted(string? pem)
    {
        if (string.IsNullOrWhiteSpace(pem))
            return null;
        try
        {
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPem(pem);
            return trusted.Count > 0 ? trusted : throw new KubeConfigException("certificate-authority holds no PEM certificate.");
        }
        catch (CryptographicException fault)
        {
            throw new KubeConfigException($"certificate-authority cannot be read: {fault.Message}", fault);
        }
    }
}
