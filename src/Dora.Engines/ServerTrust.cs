using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Engines;

/// <summary>
/// The roots that a stack's servers are believed by. Every connection checks the chain up to one of them and the name, whatever
/// address it goes to: pods are reached by IP address and known by name.
/// </summary>
public sealed class ServerTrust
{
    // One for each bundle: parsing costs more than a handshake. Stacks come and go, so the number is bounded.
    private const int MostKept = 1024;

    private static readonly ConcurrentDictionary<string, ServerTrust> Kept = new(StringComparer.Ordinal);

    private readonly X509Certificate2Collection _roots = [];

    private ServerTrust(string bundle)
    {
        _roots.ImportFromPem(bundle);
        Bundle = bundle;
    }

    /// <summary>The roots, PEM.</summary>
    public string Bundle { get; }

    /// <summary>The trust in the roots of a bundle.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The bundle is not PEM.</exception>
    public static ServerTrust Of(string bundle)
    {
        if (Kept.Count >= MostKept)
            Kept.Clear();
        return Kept.GetOrAdd(bundle, static text => new(text));
    }

    /// <summary>Options of a client that expects a server of this name.</summary>
    public SslClientAuthenticationOptions Expecting(string host)
    {
        var options = new SslClientAuthenticationOptions();
        Expect(options, host);
        return options;
    }

    /// <summary>Options of a client that takes the name it expects from each request.</summary>
    public SslClientAuthenticationOptions Anybody() => new() { CertificateChainPolicy = Policy() };

    /// <summary>Makes options expect a server of this name.</summary>
    public void Expect(SslClientAuthenticationOptions options, string host)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.TargetHost = host;
        options.CertificateChainPolicy = Policy();
    }

    private X509ChainPolicy Policy()
    {
        // Authorities of a stack publish no revocation lists: what must not be believed any more leaves the bundle.
        // What is missing in a chain is fetched from nowhere: a server that is not believed yet shall not choose whom the operator calls.
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true };
        policy.CustomTrustStore.AddRange(_roots);
        return policy;
    }
}
