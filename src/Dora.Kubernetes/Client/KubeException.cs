using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Client;

/// <summary>What was asked of the API server when an error came back.</summary>
/// <param name="Verb">The verb as RBAC names it: get, list, watch, create, update, patch or delete.</param>
/// <param name="Resource">Resource and group, e.g. <c>statefulsets.apps</c>; a raw path when it is not about a resource.</param>
/// <param name="Namespace">Null for cluster-scoped requests and lists over all namespaces.</param>
/// <param name="Name">Null for lists.</param>
public sealed record KubeSubject(string Verb, string Resource, string? Namespace = null, string? Name = null)
{
    /// <summary>E.g. <c>patch statefulsets.apps compliance/payments</c>.</summary>
    public override string ToString() => (Namespace, Name) switch
    {
        (null, null) => $"{Verb} {Resource}",
        (null, _) => $"{Verb} {Resource} {Name}",
        (_, null) => $"{Verb} {Resource} in namespace {Namespace}",
        _ => $"{Verb} {Resource} {Namespace}/{Name}",
    };
}

/// <summary>The API server refused a request, or did not answer. The sealed types say which refusals callers tell apart.</summary>
public class KubeException : Exception
{
    internal KubeException(KubeSubject subject, string message, int httpCode = 0, KubeStatus? status = null, Exception? inner = null)
        : base(message, inner)
    {
        Subject = subject;
        HttpCode = httpCode;
        Status = status;
    }

    /// <summary>What was asked.</summary>
    public KubeSubject Subject { get; }

    /// <summary>The status object of the answer, if it had one.</summary>
    public KubeStatus? Status { get; }

    /// <summary>HTTP status code; 0 when there was no answer.</summary>
    public int HttpCode { get; }

    /// <summary>The verb as RBAC names it.</summary>
    public string Verb => Subject.Verb;

    /// <summary>Resource and group.</summary>
    public string Resource => Subject.Resource;

    /// <summary>Name of the object, if one was named.</summary>
    public string? Name => Subject.Name;
}

/// <summary>404: the object, its namespace, or the whole kind is missing; see <see cref="KindMissing"/>.</summary>
public sealed class KubeNotFoundException : KubeException
{
    internal KubeNotFoundException(KubeSubject subject, string message, KubeStatus? status, bool kindMissing)
        : base(subject, message, 404, status) => KindMissing = kindMissing;

    /// <summary>The API server does not serve the kind at all: its CRD is not installed, or the server is too old.</summary>
    public bool KindMissing { get; }

    /// <summary>The named object itself is missing, as opposed to its namespace or its kind.</summary>
    public bool ObjectMissing =>
        !KindMissing && Name is not null && string.Equals(Status?.Details?.Name, Name, StringComparison.Ordinal)
        && (Status?.Details?.Kind is not { } kind || Resource.StartsWith(kind, StringComparison.Ordinal));
}

/// <summary>409: the object changed since it was read, a precondition failed, or another field manager owns a field.</summary>
public sealed class KubeConflictException : KubeException
{
    internal KubeConflictException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 409, status)
    {
    }

    /// <summary>Who owns which field; empty for a stale resourceVersion or a failed precondition.</summary>
    public IReadOnlyList<KubeStatusCause> Causes => Status?.Details?.Causes ?? [];

    /// <summary>True when server-side apply met fields of another manager, which repeating will not solve.</summary>
    public bool HasFieldManagerConflicts
    {
        get
        {
            foreach (var cause in Causes)
            {
                if (string.Equals(cause.Reason, "FieldManagerConflict", StringComparison.Ordinal))
                    return true;
            }

            return false;
        }
    }
}

/// <summary>409 AlreadyExists: create met an object of that name.</summary>
public sealed class KubeAlreadyExistsException : KubeException
{
    internal KubeAlreadyExistsException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 409, status)
    {
    }
}

/// <summary>410: the resource version or continue token is compacted; list again. HTTP 410 and an ERROR watch event alike.</summary>
public sealed class KubeGoneException : KubeException
{
    internal KubeGoneException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 410, status)
    {
    }
}

/// <summary>403: RBAC, or an admission rule. The message names the verb and the resource to grant.</summary>
public sealed class KubeForbiddenException : KubeException
{
    internal KubeForbiddenException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 403, status)
    {
    }
}

/// <summary>401: no credentials, or they are not accepted (any more).</summary>
public sealed class KubeUnauthorizedException : KubeException
{
    internal KubeUnauthorizedException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 401, status)
    {
    }
}

/// <summary>429 after all retries.</summary>
public sealed class KubeThrottledException : KubeException
{
    internal KubeThrottledException(KubeSubject subject, string message, KubeStatus? status, TimeSpan? retryAfter)
        : base(subject, message, 429, status) => RetryAfter = retryAfter;

    /// <summary>How long the server asked to wait, if it said so.</summary>
    public TimeSpan? RetryAfter { get; }
}

/// <summary>422: the object does not meet its schema or rules. Repeating it unchanged is pointless.</summary>
public sealed class KubeInvalidException : KubeException
{
    internal KubeInvalidException(KubeSubject subject, string message, KubeStatus? status)
        : base(subject, message, 422, status)
    {
    }

    /// <summary>Field by field, what is wrong.</summary>
    public IReadOnlyList<KubeStatusCause> Causes => Status?.Details?.Causes ?? [];
}

/// <summary>No usable answer: refused, cut, timed out, or 502, 503, 504. The same request may succeed later.</summary>
public sealed class KubeUnavailableException : KubeException
{
    internal KubeUnavailableException(KubeSubject subject, string message, int httpCode = 0, KubeStatus? status = null, Exception? inner = null)
        : base(subject, message, httpCode, status, inner)
    {
    }
}

/// <summary>The answer was not what the API promises: not JSON, or not the shape of the kind.</summary>
public sealed class KubeMalformedException : KubeException
{
    internal KubeMalformedException(KubeSubject subject, string message, int httpCode, Exception inner)
        : base(subject, message, httpCode, null, inner)
    {
    }
}
