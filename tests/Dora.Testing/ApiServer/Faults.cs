using System.Collections.Immutable;

namespace Dora.Testing.ApiServer;

/// <summary>Which requests; null matches anything.</summary>
/// <param name="Verb">As RBAC names it.</param>
/// <param name="Resource">Plural and group, e.g. <c>statefulsets.apps</c>.</param>
/// <param name="Namespace">The namespace.</param>
/// <param name="Name">The object's name.</param>
/// <param name="Subresource">The subresource.</param>
public sealed record RequestMatch(string? Verb = null, string? Resource = null, string? Namespace = null, string? Name = null, string? Subresource = null)
{
    internal bool Matches(ApiRequest request) =>
        (Verb ?? request.Verb) == request.Verb && (Resource ?? request.Resource) == request.Resource && (Namespace ?? request.Namespace) == request.Namespace
        && (Name ?? request.Name) == request.Name && (Subresource ?? request.Subresource) == request.Subresource;
}

/// <summary>Something that goes wrong with a request.</summary>
public abstract record Fault
{
    private Fault()
    {
    }

    /// <summary>Answers with a Status instead of doing anything.</summary>
    /// <param name="Code">HTTP status code.</param>
    /// <param name="RetryAfter">Seconds for the Retry-After header.</param>
    /// <param name="Reason">The Status' reason, e.g. <c>TooManyRequests</c>.</param>
    /// <param name="Message">The Status' message.</param>
    public sealed record Respond(int Code, int? RetryAfter = null, string? Reason = null, string Message = "injected fault") : Fault;

    /// <summary>Waits before doing anything.</summary>
    public sealed record Delay(TimeSpan Time) : Fault;

    /// <summary>Does the work, and breaks the connection before the answer: the client cannot know.</summary>
    public sealed record LoseAnswer : Fault;

    /// <summary>Breaks the connection without doing anything.</summary>
    public sealed record Reset : Fault;

    /// <summary>Never answers.</summary>
    public sealed record Hang : Fault;

    /// <summary>Breaks the connection in the middle of the frame after this many frames (lines) of the answer.</summary>
    public sealed record CutAfterFrames(int Frames) : Fault;

    /// <summary>Sends this many frames (lines) of the answer and then nothing more, with the connection open.</summary>
    public sealed record HangAfterFrames(int Frames) : Fault;
}

/// <summary>The faults in force; the first that matches is used.</summary>
public sealed class FaultRules
{
    private ImmutableList<Rule> rules = [];

    /// <summary>Adds a fault.</summary>
    /// <param name="match">Which requests.</param>
    /// <param name="fault">What goes wrong.</param>
    /// <param name="skip">How many matching requests pass unharmed first.</param>
    /// <param name="times">How many are hit after that.</param>
    public void Add(RequestMatch match, Fault fault, int skip = 0, int times = int.MaxValue) =>
        ImmutableInterlocked.Update(ref rules, (list, rule) => list.Add(rule), new Rule(match, fault, skip, times));

    /// <summary>Removes every fault.</summary>
    public void Clear() => Interlocked.Exchange(ref rules, []);

    internal Fault? For(ApiRequest request) => rules.FirstOrDefault(rule => rule.Strikes(request))?.Fault;

    private sealed class Rule(RequestMatch match, Fault fault, int skip, int times)
    {
        private int seen;

        public Fault Fault => fault;

        public bool Strikes(ApiRequest request)
        {
            if (!match.Matches(request))
                return false;
            var number = Interlocked.Increment(ref seen);
            return number > skip && number - skip <= times;
        }
    }
}

/// <summary>What the caller may not do. Everything is allowed that is not denied.</summary>
public sealed class AccessRules
{
    private ImmutableList<RequestMatch> denied = [];

    /// <summary>Denies matching requests with 403.</summary>
    public void Deny(RequestMatch match) => ImmutableInterlocked.Update(ref denied, (list, one) => list.Add(one), match);

    /// <summary>Allows everything again.</summary>
    public void AllowAll() => Interlocked.Exchange(ref denied, []);

    /// <summary>If set, the only bearer token that is accepted; all else is 401.</summary>
    public string? RequiredToken { get; set; }

    internal bool IsDenied(ApiRequest request) => denied.Any(match => match.Matches(request));
}
