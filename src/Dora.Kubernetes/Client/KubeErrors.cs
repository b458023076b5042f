using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Text.Json;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Client;

/// <summary>Turns answers and transport faults into the typed exceptions, with messages that say what to do.</summary>
internal static class KubeErrors
{
    private const int MaxTextLength = 300;

    /// <summary>The exception for an error answer; the body is a metav1.Status, or text of something in between.</summary>
    public static KubeException FromBody(KubeSubject subject, int code, ReadOnlySpan<byte> body, TimeSpan? retryAfter = null) =>
        FromStatus(subject, code, ParseStatus(body) ?? new(Message: Text(body)), retryAfter);

    /// <summary>The exception for a status, either the body of an answer or the object of an ERROR watch event.</summary>
    public static KubeException FromStatus(KubeSubject subject, int code, KubeStatus status, TimeSpan? retryAfter = null)
    {
        status = Withheld(subject, code, status);
        var said = string.IsNullOrWhiteSpace(status.Message) ? status.Reason ?? "no message" : status.Message.Trim();
        var message = $"Cannot {subject}: {said} (HTTP {code.ToString(CultureInfo.InvariantCulture)}{(status.Reason is { Length: > 0 } reason ? $" {reason}" : "")})";
        return code switch
        {
            401 => new KubeUnauthorizedException(subject, $"{message}. Check the token or client certificate in use: it is missing, expired, or of another cluster.", status),
            403 => new KubeForbiddenException(subject, $"{message}. If this is RBAC, grant the verb {subject.Verb} on {subject.Resource}.", status),
            404 => NotFound(subject, message, status),
            409 when Is(status, "AlreadyExists") => new KubeAlreadyExistsException(subject, message, status),
            409 => new KubeConflictException(subject, message, status),
            410 => new KubeGoneException(subject, message, status),
            422 => new KubeInvalidException(subject, message, status),
            429 => new KubeThrottledException(subject, message, status, retryAfter),
            502 or 503 or 504 => new KubeUnavailableException(subject, message, code, status),
            _ => new KubeException(subject, message, code, status),
        };
    }

    /// <summary>The exception for a request without an answer.</summary>
    public static KubeException FromTransport(KubeSubject subject, Uri server, Exception fault) =>
        new KubeUnavailableException(subject, $"Cannot {subject}: no answer from the API server at {server}: {Advice(fault)}", inner: fault);

    /// <summary>The exception for a request that outlived its deadline.</summary>
    public static KubeException FromTimeout(KubeSubject subject, Uri server, TimeSpan timeout, Exception fault) =>
        new KubeUnavailableException(
            subject,
            $"Cannot {subject}: the API server at {server} did not answer within {timeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s. Check its load and the network between.",
            inner: fault);

    /// <summary>The exception for an answer that is not what the API promises.</summary>
    public static KubeException FromJson(KubeSubject subject, int code, JsonException fault) =>
        new KubeMalformedException(
            subject,
            $"Cannot {subject}: the answer does not have the expected shape at {fault.Path ?? "$"}. The object or the server is newer than this program, or something in between altered the answer.",
            code,
            fault);

    private static KubeNotFoundException NotFound(KubeSubject subject, string message, KubeStatus status)
    {
        // A missing object or namespace is named in the details; a missing kind is not.
        var kindMissing = string.IsNullOrEmpty(status.Details?.Name);
        return new(subject, kindMissing ? $"{message}. The API server does not serve {subject.Resource}: is its CustomResourceDefinition installed?" : message, status, kindMissing);
    }

    /// <summary>Decoding errors of the API server quote the body, which for a Secret must not reach a log.</summary>
    private static KubeStatus Withheld(KubeSubject subject, int code, KubeStatus status) =>
        string.Equals(subject.Resource, "secrets", StringComparison.Ordinal) && code is 400 or 422 or 500
            ? status with
            {
                Message = "the server's message is withheld, because it can quote the Secret",
                Details = status.Details is { } details
                    ? details with { Causes = details.Causes?.Select(cause => cause with { Message = null }).ToList() }
                    : null,
            }
            : status;

    private static KubeStatus? ParseStatus(ReadOnlySpan<byte> body)
    {
        if (body.IsEmpty || body[0] != (byte)'{')
            return null;
        try
        {
            return JsonSerializer.Deserialize(body, KubeJson.Wire.KubeStatus);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Text(ReadOnlySpan<byte> body)
    {
        var text = Encoding.UTF8.GetString(body[..Math.Min(body.Length, MaxTextLength)]).Trim();
        return text.ReplaceLineEndings(" ");
    }

    private static bool Is(KubeStatus status, string reason) => string.Equals(status.Reason, reason, StringComparison.Ordinal);

    private static string Advice(Exception fault)
    {
        for (Exception? cause = fault; cause is not null; cause = cause.InnerException)
        {
            switch (cause)
            {
                case SocketException { SocketErrorCode: SocketError.ConnectionRefused }:
                    return "the connection was refused. Check that it runs and that the address and port are right.";
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }:
                    return "its name does not resolve. Check the name and DNS.";
                case AuthenticationException:
                    return $"TLS failed ({cause.Message}). Check certificate-authority, tls-server-name and the client certificate.";
                default:
                    break;
            }
        }

        return $"{fault.GetBaseException().Message} Check the address, the network and any proxy between.";
    }
}
