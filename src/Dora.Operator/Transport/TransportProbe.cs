using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Dora.Api;
using Dora.Engines;

namespace Dora.Operator.Transport;

/// <summary>
/// Tries a port as friend and as foe: a handshake that checks chain and name; the same as a client that knows only older versions; and
/// speech in the clear. What a server is configured to do is not evidence; what it does is.
/// </summary>
internal static class TransportProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    // No server speaks this, and most that listen in the clear answer it, if only to complain.
    private static readonly byte[] Nonsense = "PING\r\n\r\n"u8.ToArray();

    // MongoDB specifications, "OP_MSG": length 52, request 1, no response to, operation 2013; no flags; one document
    // {hello: 1, $db: "admin"}.
    private static readonly byte[] MongoHello =
    [
        52, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0,
        31, 0, 0, 0, .. "\u0010hello\0"u8, 1, 0, 0, 0, .. "\u0002$db\0"u8, 6, 0, 0, 0, .. "admin\0"u8, 0,
    ];

    // Bolt documentation, "Handshake": the magic number, then four versions that the client speaks: 5.0 to 5.8, 4.2 to 4.4, 4.1, 3.
    private static readonly byte[] BoltHandshake = [0x60, 0x60, 0xb0, 0x17, 0, 8, 8, 5, 0, 2, 4, 4, 0, 0, 1, 4, 0, 0, 0, 3];

    // PostgreSQL documentation, "Message Formats": SSLRequest.
    private static readonly byte[] SslRequest = [0, 0, 0, 8, 4, 210, 22, 47];

    /// <summary>Tries one port. Never throws for what the server does.</summary>
    /// <param name="target">The port.</param>
    /// <param name="trust">Whom to believe.</param>
    /// <param name="minimum">The oldest version that it may accept.</param>
    /// <param name="cancellationToken">Stops trying.</param>
    public static async Task<TransportFinding> MeasureAsync(TransportTarget target, ServerTrust trust, TlsVersion minimum, CancellationToken cancellationToken)
    {
        var finding = await TryAsync(token => HandshakeAsync(target, trust, token), cancellationToken).ConfigureAwait(false);
        if (finding is not null and not { Verdict: TransportVerdict.PolicyMet })
            return finding;
        var plain = await TryAsync(token => AnswersPlainAsync(target, token), cancellationToken).ConfigureAwait(false);
        if (plain == true)
            return (finding ?? new(default, "")) with { Verdict = TransportVerdict.PlaintextAccepted, Detail = "answers who speaks in the clear" };
        if (finding is null)
            return new(TransportVerdict.NotMeasured, "does not answer");
        if (plain is null)
            return finding with { Verdict = TransportVerdict.NotMeasured, Detail = "does not say whether it answers in the clear" };
        foreach (var (version, name) in Older(minimum))
        {
            if (await TryAsync(token => AcceptsAsync(target, version, token), cancellationToken).ConfigureAwait(false) is not { } accepted)
                return finding with { Verdict = TransportVerdict.NotMeasured, Detail = $"does not say whether it accepts {name}" };
            if (accepted)
                return finding with { Verdict = TransportVerdict.LegacyTlsAccepted, Detail = $"accepts {name}" };
        }

        return finding;
    }

    private static IEnumerable<(ushort Version, string Name)> Older(TlsVersion minimum) =>
        minimum == TlsVersion.Tls13 ? [(ClientHello.Tls12, "TLS 1.2"), (ClientHello.Tls11, "TLS 1.1")] : [(ClientHello.Tls11, "TLS 1.1")];

    private static async Task<TransportFinding?> HandshakeAsync(TransportTarget target, ServerTrust trust, CancellationToken cancellationToken)
    {
        var stream = await OpenAsync(target, cancellationToken).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        if (!await StartAsync(stream, target.Endpoint.Start, cancellationToken).ConfigureAwait(false))
            return new(TransportVerdict.PlaintextAccepted, "speaks no TLS");
        var problem = SslPolicyErrors.None;
        var options = trust.Expecting(target.Host);
        options.RemoteCertificateValidationCallback = (_, _, _, errors) => (problem = errors) == SslPolicyErrors.None;
        var tls = new SslStream(stream);
        await using var ending = tls.ConfigureAwait(false);
        try
        {
            await tls.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
        }
        catch (AuthenticationException) when (problem != SslPolicyErrors.None)
        {
            return new(TransportVerdict.ChainInvalid, problem.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
                ? $"its certificate is not for {target.Host}"
                : "its certificate is not of the stack's authority, or out of date");
        }

        using var certificate = new X509Certificate2(tls.RemoteCertificate!);
        return new(TransportVerdict.PolicyMet, "", tls.SslProtocol == SslProtocols.Tls13 ? "TLS 1.3" : "TLS 1.2", tls.NegotiatedCipherSuite.ToString(), certificate.SerialNumber);
    }

    private static async Task<bool?> AnswersPlainAsync(TransportTarget target, CancellationToken cancellationToken)
    {
        var stream = await OpenAsync(target, cancellationToken).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        return target.Endpoint switch
        {
            { Start: TlsStart.PostgresRequest } => await AnswersPlainPostgresAsync(stream, cancellationToken).ConfigureAwait(false),
            { Plain: PlainSpeech.MongoHello } => await SayAsync(stream, MongoHello, 16, cancellationToken).ConfigureAwait(false) is [_, _, _, _, _, _, _, _, _, _, _, _, 0xdd, 7, 0, 0, ..],
            // The version it agrees to, or none in common; a record of TLS would begin with its type, an alert with 21.
            { Plain: PlainSpeech.BoltHandshake } => await SayAsync(stream, BoltHandshake, 4, cancellationToken).ConfigureAwait(false) is [0, _, _, _, ..] or [(byte)'H', (byte)'T', (byte)'T', (byte)'P', ..],
            // An alert of TLS is no answer in the clear.
            _ => await SayAsync(stream, Nonsense, 1, cancellationToken).ConfigureAwait(false) is [not 21, ..],
        };
    }

    // A server that takes no plain connection says so (E) before it asks for a password (R). One that is starting says neither.
    private static async Task<bool?> AnswersPlainPostgresAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        byte[] words = [0, 3, 0, 0, .. "user\0app\0database\0app\0\0"u8];
        var message = new byte[words.Length + 4];
        BinaryPrimitives.WriteInt32BigEndian(message, message.Length);
        words.CopyTo(message, 4);
        var answer = await SayAsync(stream, message, 1, cancellationToken).ConfigureAwait(false);
        return answer switch
        {
            [(byte)'E', ..] when Encoding.ASCII.GetString(answer).Contains("C57P03", StringComparison.Ordinal) => null,
            [(byte)'R', ..] => true,
            _ => false,
        };
    }

    private static async Task<bool?> AcceptsAsync(TransportTarget target, ushort version, CancellationToken cancellationToken)
    {
        var stream = await OpenAsync(target, cancellationToken).ConfigureAwait(false);
        await using var closing = stream.ConfigureAwait(false);
        if (!await StartAsync(stream, target.Endpoint.Start, cancellationToken).ConfigureAwait(false))
            return null;
        // A ServerHello (2) in a handshake record (22) agrees to go on; anything else does not.
        return await SayAsync(stream, ClientHello.Of(version, target.Host), 6, cancellationToken).ConfigureAwait(false) is [22, _, _, _, _, 2, ..];
    }

    private static async Task<bool> StartAsync(NetworkStream stream, TlsStart start, CancellationToken cancellationToken) =>
        start == TlsStart.AtOnce || await SayAsync(stream, SslRequest, 1, cancellationToken).ConfigureAwait(false) is [(byte)'S'];

    private static async Task<NetworkStream> OpenAsync(TransportTarget target, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(target.Address, target.Endpoint.Port, cancellationToken).ConfigureAwait(false);
            return new(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // Reads until there are so many bytes, or the server ends the connection.
    private static async Task<byte[]> SayAsync(NetworkStream stream, byte[] words, int least, CancellationToken cancellationToken)
    {
        var answer = new byte[256];
        try
        {
            await stream.WriteAsync(words, cancellationToken).ConfigureAwait(false);
            return answer[..await stream.ReadAtLeastAsync(answer, least, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false)];
        }
        catch (IOException)
        {
            // It closed the connection in disgust.
            return [];
        }
    }

    private static async Task<T?> TryAsync<T>(Func<CancellationToken, Task<T?>> attempt, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            return await attempt(patience.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is SocketException or IOException or AuthenticationException)
        {
            return default;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return default;
        }
    }
}
