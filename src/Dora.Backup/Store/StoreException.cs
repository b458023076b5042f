using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Amazon.Runtime;
using Amazon.S3;

namespace Dora.Backup.Store;

/// <summary>Why an object store did not do what it was asked.</summary>
public enum StoreProblem
{
    /// <summary>It does not answer, or its answers break off.</summary>
    Unreachable,

    /// <summary>Its certificate is not one that is trusted here.</summary>
    Untrusted,

    /// <summary>The credentials are wrong, or permit something else.</summary>
    Denied,

    /// <summary>The bucket does not exist.</summary>
    NoBucket,

    /// <summary>The object does not exist.</summary>
    NotFound,

    /// <summary>The object exists already.</summary>
    Exists,

    /// <summary>The folder belongs to another stack.</summary>
    Taken,

    /// <summary>There is no room left.</summary>
    Full,

    /// <summary>The clock here and there differ too much for a signature.</summary>
    ClockSkew,

    /// <summary>Anything else it refused.</summary>
    Refused,
}

/// <summary>An object store did not do what it was asked; the message says what to do about it, and holds no credential.</summary>
public sealed class StoreException : IOException
{
    /// <summary>With what is wrong and what to do.</summary>
    public StoreException(StoreProblem problem, string message, Exception? inner = null)
        : base(message, inner) => Problem = problem;

    /// <summary>What is wrong.</summary>
    public StoreProblem Problem { get; }

    /// <summary>Whether an error of the client is about the store.</summary>
    internal static bool IsOne(Exception exception) => exception is AmazonClientException or AmazonServiceException or HttpRequestException or IOException or SocketException or TimeoutException;

    /// <summary>What an error of the client means.</summary>
    internal static StoreException Of(Exception exception, StoreLocation at, string what) =>
        exception is AmazonS3Exception answer ? Of(answer, at, what) : Unanswered(exception, at, what);

    private static StoreException Of(AmazonS3Exception answer, StoreLocation at, string what)
    {
        var (problem, advice) = (answer.ErrorCode, answer.StatusCode) switch
        {
            ("NoSuchBucket", _) => (StoreProblem.NoBucket, "create the bucket, or correct its name"),
            ("NoSuchKey" or "NoSuchVersion" or "NotFound", _) or ("", HttpStatusCode.NotFound) => (StoreProblem.NotFound, "it was removed, or written elsewhere"),
            ("PreconditionFailed" or "ConditionalRequestConflict", _) => (StoreProblem.Exists, "somebody wrote it before"),
            ("QuotaExceeded" or "InsufficientStorage" or "XMinioStorageFull" or "NotEnoughDiskSpace", _) or (_, HttpStatusCode.InsufficientStorage) => (StoreProblem.Full, "make room, or raise the quota"),
            ("RequestTimeTooSkewed", _) => (StoreProblem.ClockSkew, "set the clock of the node or of the store"),
            ("InvalidAccessKeyId" or "SignatureDoesNotMatch" or "InvalidToken" or "ExpiredToken", _) => (StoreProblem.Denied, "correct the access key or its secret"),
            ("InvalidRange", _) => (StoreProblem.Refused, "it is shorter than it was: somebody cut or replaced it"),
            ("InvalidRequest", _) when at.Lock is not null => (StoreProblem.Refused, "if it is the lock that it does not take, use a bucket that was made with object lock, or ask for no lock"),
            (_, HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized) => (StoreProblem.Denied, "grant it to this access key"),
            (_, >= HttpStatusCode.InternalServerError or HttpStatusCode.TooManyRequests) => (StoreProblem.Unreachable, "see how the store is"),
            _ => (StoreProblem.Refused, "see the store's documentation for this code"),
        };
        return new(problem, $"{what} at {at}: {(int)answer.StatusCode} {answer.ErrorCode}: {advice}", answer);
    }

    private static StoreException Unanswered(Exception exception, StoreLocation at, string what)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is AuthenticationException)
                return new(StoreProblem.Untrusted, $"{what} at {at}: its certificate is not trusted: give the authority that signed it, and see that it names the endpoint's host", exception);
        }

        return new(StoreProblem.Unreachable, $"{what} at {at}: no answer ({exception.GetBaseException().Message}): see whether the store is up, and whether the network lets this pod reach it", exception);
    }
}
