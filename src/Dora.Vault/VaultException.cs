namespace Dora.Vault;

/// <summary>
/// Vault refused a call, or did not answer as promised. The message says what to do and holds no secret and no token. The sealed
/// types say which refusals callers tell apart.
/// </summary>
public class VaultException : Exception
{
    internal VaultException(string message, int httpCode = 0, Exception? inner = null)
        : base(message, inner) => HttpCode = httpCode;

    /// <summary>HTTP status code; 0 when there was no answer.</summary>
    public int HttpCode { get; }

    /// <summary>CamelCase, for a condition.</summary>
    public virtual string Reason => "VaultRefused";

    /// <summary>The same error for another caller: an exception belongs to the one that it is thrown at.</summary>
    internal VaultException Again() => this switch
    {
        VaultSealedException => new VaultSealedException(Message, HttpCode),
        VaultForbiddenException forbidden => new VaultForbiddenException(Message, HttpCode, forbidden.Login),
        VaultThrottledException throttled => new VaultThrottledException(Message, throttled.RetryAfter),
        VaultInvalidAnswerException => new VaultInvalidAnswerException(Message, HttpCode, this),
        VaultUnreachableException => new VaultUnreachableException(Message, HttpCode, this),
        _ => new VaultException(Message, HttpCode, this),
    };
}

/// <summary>Vault is sealed, or was never initialised: only its own operators can go on.</summary>
public sealed class VaultSealedException : VaultException
{
    internal VaultSealedException(string message, int httpCode)
        : base(message, httpCode)
    {
    }

    /// <inheritdoc/>
    public override string Reason => "VaultSealed";
}

/// <summary>The login is refused, or the policies do not allow this path. The message names path and verb.</summary>
public sealed class VaultForbiddenException : VaultException
{
    internal VaultForbiddenException(string message, int httpCode = 403, bool login = false)
        : base(message, httpCode) => Login = login;

    /// <summary>The login failed, so no path was asked for.</summary>
    public bool Login { get; }

    /// <inheritdoc/>
    public override string Reason => "VaultForbidden";
}

/// <summary>No usable answer: refused, cut, timed out, a standby without an active node, or a redirect to where the token may not go.</summary>
public sealed class VaultUnreachableException : VaultException
{
    internal VaultUnreachableException(string message, int httpCode = 0, Exception? inner = null)
        : base(message, httpCode, inner)
    {
    }

    /// <inheritdoc/>
    public override string Reason => "VaultUnreachable";
}

/// <summary>404: nothing is at the path, or nothing is mounted there.</summary>
public sealed class VaultNotFoundException : VaultException
{
    internal VaultNotFoundException(string message)
        : base(message, 404)
    {
    }

    /// <inheritdoc/>
    public override string Reason => "CredentialMissing";
}

/// <summary>Check-and-set: somebody else wrote first. Read what won.</summary>
public sealed class VaultConflictException : VaultException
{
    internal VaultConflictException(string message)
        : base(message, 400)
    {
    }

    /// <inheritdoc/>
    public override string Reason => "VaultConflict";
}

/// <summary>A quota: too many requests.</summary>
public sealed class VaultThrottledException : VaultException
{
    internal VaultThrottledException(string message, TimeSpan? retryAfter)
        : base(message, 429) => RetryAfter = retryAfter;

    /// <summary>How long Vault asked to wait, if it said so.</summary>
    public TimeSpan? RetryAfter { get; }

    /// <inheritdoc/>
    public override string Reason => "VaultThrottled";
}

/// <summary>The answer is not what the API promises: no JSON, another shape, or too large.</summary>
public sealed class VaultInvalidAnswerException : VaultException
{
    internal VaultInvalidAnswerException(string message, int httpCode, Exception? inner = null)
        : base(message, httpCode, inner)
    {
    }

    /// <inheritdoc/>
    public override string Reason => "VaultInvalidAnswer";
}
