namespace Dora.Engines.InfluxDb;

/// <summary>Why a call to an InfluxDB server did not do what it should.</summary>
internal enum InfluxFault
{
    /// <summary>No connection, or it ended within the reply.</summary>
    Unreachable,

    /// <summary>No whole reply before the deadline.</summary>
    TimedOut,

    /// <summary>The reply is not what the documentation says, or larger than allowed.</summary>
    Malformed,

    /// <summary>401: password or token.</summary>
    Unauthorized,

    /// <summary>403: the right is missing.</summary>
    Forbidden,

    /// <summary>404.</summary>
    NotFound,

    /// <summary>The name is taken (2.x: 422 conflict).</summary>
    Conflict,

    /// <summary>The server understood and says no.</summary>
    Refused,

    /// <summary>5xx or 429.</summary>
    Unavailable,
}

/// <summary>A failed call. Its message never holds a password or token.</summary>
internal sealed class InfluxException(InfluxFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>In one word.</summary>
    public InfluxFault Fault { get; } = fault;

    /// <summary>For a finding: what a member does instead of serving.</summary>
    public string Finding => Fault switch
    {
        InfluxFault.Unreachable => "does not answer",
        InfluxFault.TimedOut => "did not answer in time",
        InfluxFault.Malformed => "answers in words that are not InfluxDB's",
        InfluxFault.Unauthorized => "the operator's password or token is refused; its Secret does not belong to this volume",
        InfluxFault.Unavailable => "is not able to answer yet",
        _ => Message,
    };
}
