using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Client;

/// <summary>What to present to the API server now. Its text form holds no secret.</summary>
/// <param name="Authorization">Value of the Authorization header, or null.</param>
/// <param name="Certificates">Client certificate with its chain, or null.</param>
/// <param name="Expires">When to ask again; null: never.</param>
internal sealed record Credential(string? Authorization, X509Certificate2Collection? Certificates, DateTimeOffset? Expires)
{
    public override string ToString() => "Credential";
}

/// <summary>Keeps the credential until it expires or the server refuses it; concurrent callers share one renewal.</summary>
internal sealed partial class CredentialSource : IDisposable
{
    private static readonly TimeSpan _tokenFileAge = TimeSpan.FromSeconds(60);

    private readonly Func<CancellationToken, Task<Credential>> _fetch;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _renewing = new(1, 1);
    private volatile Credential? _current;
    private volatile bool _refused;

    private CredentialSource(Func<CancellationToken, Task<Credential>> fetch, bool renewable, TimeProvider clock, ILogger logger)
    {
        _fetch = fetch;
        Renewable = renewable;
        _clock = clock;
        _logger = logger;
    }

    /// <summary>Whether asking again can give something new.</summary>
    public bool Renewable { get; }

    /// <exception cref="KubeConfigException">The certificate or key is not usable.</exception>
    public static CredentialSource Of(KubeConfig config, TimeProvider clock, ILogger logger)
    {
        var credentials = config.Credentials ?? new();
        var certificates = Certificates(credentials.ClientCertificatePem, credentials.ClientKeyPem);
        if (credentials.Exec is { } exec)
            return new(cancellationToken => ExecCredentialPlugin.RunAsync(exec, config, clock, cancellationToken), renewable: true, clock, logger);
        if (credentials.TokenFile is { } file)
            return new(cancellationToken => ReadTokenAsync(file, certificates, clock, cancellationToken), renewable: true, clock, logger);
        var authorization = credentials switch
        {
            { Token: { Length: > 0 } token } => Bearer(token),
            { Username: { Length: > 0 } user } => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{credentials.Password}"))}",
            _ => null,
        };
        var credential = new Credential(authorization, certificates, null);
        return new(_ => Task.FromResult(credential), renewable: false, clock, logger);
    }

    public static string Bearer(string token) => $"Bearer {token.Trim()}";

    /// <exception cref="KubeConfigException">Not PEM, or the key does not belong to the certificate.</exception>
    public static X509Certificate2Collection? Certificates(string? certificatePem, string? keyPem)
    {
        if (string.IsNullOrEmpty(certificatePem))
            return null;
        if (string.IsNullOrEmpty(keyPem))
            throw new KubeConfigException("There is a client certificate but no client key.");
        try
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPem(certificatePem);
            chain[0].Dispose();
            chain[0] = X509Certificate2.CreateFromPem(certificatePem, keyPem);
            return chain;
        }
        catch (Exception fault) when (fault is CryptographicException or ArgumentException)
        {
            throw new KubeConfigException($"The client certificate and key cannot be used: {fault.Message}", fault);
        }
    }

    /// <summary>The credential to present now.</summary>
    public ValueTask<Credential> GetAsync(CancellationToken cancellationToken) =>
        _current is { } current && !_refused && !Expired(current) ? new(current) : new(RenewAsync(cancellationToken));

    /// <summary>The server refused this credential: the next caller asks for a new one.</summary>
    public void Refused(Credential credential)
    {
        if (ReferenceEquals(credential, _current))
            _refused = true;
    }

    /// <inheritdoc/>
    public void Dispose() => _renewing.Dispose();

    private async Task<Credential> RenewAsync(CancellationToken cancellationToken)
    {
        await _renewing.WaitAsync(cancellationToken);
        try
        {
            if (_current is { } current && !_refused && !Expired(current))
                return current;
            var renewed = await FetchAsync(cancellationToken);
            _current = renewed;
            _refused = false;
            return renewed;
        }
        finally
        {
            _renewing.Release();
        }
    }

    private async Task<Credential> FetchAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _fetch(cancellationToken);
        }
        catch (KubeConfigException fault) when (_current is not null && !_refused)
        {
            // The old one may still be accepted; the server is the judge of that.
            LogRenewalFailed(fault);
            return _current with { Expires = _clock.GetUtcNow() + TimeSpan.FromSeconds(10) };
        }
    }

    private bool Expired(Credential credential) => credential.Expires is { } expires && expires <= _clock.GetUtcNow();

    private static async Task<Credential> ReadTokenAsync(string file, X509Certificate2Collection? certificates, TimeProvider clock, CancellationToken cancellationToken)
    {
        string token;
        try
        {
            token = (await File.ReadAllTextAsync(file, cancellationToken)).Trim();
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new KubeConfigException($"Cannot read the token file {file}: {fault.Message}", fault);
        }

        if (token.Length == 0)
            throw new KubeConfigException($"The token file {file} is empty.");
        return new(Bearer(token), certificates, clock.GetUtcNow() + _tokenFileAge);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Credentials could not be renewed; the old ones stay in use.")]
    private partial void LogRenewalFailed(Exception fault);
}
