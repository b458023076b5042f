using System.Net;
using System.Net.Sockets;

namespace Dora.Agent.Probing;

/// <summary>Tries connections. A network may learn of a new pod, or of a policy, some seconds late: what is not as it must be is tried again.</summary>
internal sealed class NetworkProber(ProbeTimes times, TimeProvider clock)
{
    private const int AtATime = 32;

    /// <summary>Tries all; never throws for what the network does.</summary>
    public async Task<ProbeReport> ProbeAsync(IReadOnlyList<Connection> controls, IReadOnlyList<Connection> targets, CancellationToken cancellationToken)
    {
        var started = clock.GetTimestamp();
        var possible = await TryAsync(controls, cancellationToken).ConfigureAwait(false);
        while (possible.Any(outcome => outcome != ProbeOutcome.Open) && clock.GetElapsedTime(started) < times.Controls)
        {
            await Task.Delay(times.Pause, clock, cancellationToken).ConfigureAwait(false);
            await AgainAsync(controls, possible, outcome => outcome != ProbeOutcome.Open, cancellationToken).ConfigureAwait(false);
        }

        var forbidden = await TryAsync(targets, cancellationToken).ConfigureAwait(false);
        if (forbidden.Contains(ProbeOutcome.Open))
        {
            await Task.Delay(times.Settling, clock, cancellationToken).ConfigureAwait(false);
            await AgainAsync(targets, forbidden, outcome => outcome == ProbeOutcome.Open, cancellationToken).ConfigureAwait(false);
        }

        return new(possible, forbidden);
    }

    private async Task<ProbeOutcome[]> TryAsync(IReadOnlyList<Connection> connections, CancellationToken cancellationToken)
    {
        var outcomes = new ProbeOutcome[connections.Count];
        await AgainAsync(connections, outcomes, _ => true, cancellationToken).ConfigureAwait(false);
        return outcomes;
    }

    private Task AgainAsync(IReadOnlyList<Connection> connections, ProbeOutcome[] outcomes, Func<ProbeOutcome, bool> which, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, connections.Count).Where(index => which(outcomes[index])).ToList(),
            new ParallelOptions { MaxDegreeOfParallelism = AtATime, CancellationToken = cancellationToken },
            async (index, token) => outcomes[index] = await ConnectAsync(connections[index].Address, token).ConfigureAwait(false));

    private async Task<ProbeOutcome> ConnectAsync(IPEndPoint? address, CancellationToken cancellationToken)
    {
        if (address is null)
            return ProbeOutcome.Other;
        using var patience = new CancellationTokenSource(times.Patience, clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address, both.Token).ConfigureAwait(false);
            return ProbeOutcome.Open;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return ProbeOutcome.TimedOut;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => ProbeOutcome.Refused,
                SocketError.TimedOut => ProbeOutcome.TimedOut,
                SocketError.HostUnreachable or SocketError.NetworkUnreachable or SocketError.AccessDenied => ProbeOutcome.Unreachable,
                _ => ProbeOutcome.Other,
            };
        }
    }
}

/// <summary>How long to wait for what.</summary>
internal sealed record ProbeTimes
{
    /// <summary>For one connection: long enough for a lost packet to be sent again twice.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For connections that must be possible, altogether.</summary>
    public TimeSpan Controls { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Between two tries of them.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Before what was possible and must not be is tried again.</summary>
    public TimeSpan Settling { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>What became of one connection.</summary>
internal enum ProbeOutcome
{
    /// <summary>Something that says nothing about the network.</summary>
    Other,

    /// <summary>It was possible.</summary>
    Open,

    /// <summary>Somebody refused it: the server's host, where nobody listens, or the network.</summary>
    Refused,

    /// <summary>Nobody answered.</summary>
    TimedOut,

    /// <summary>The network says that there is no way.</summary>
    Unreachable,
}

/// <summary>All outcomes, in the order of what was asked.</summary>
internal sealed record ProbeReport(IReadOnlyList<ProbeOutcome> Controls, IReadOnlyList<ProbeOutcome> Targets)
{
    /// <summary>
    /// One letter each, so that the report of hundreds of connections fits into the 4096 bytes of a termination message.
    /// </summary>
    public string Message => $$"""{"probe":1,"controls":"{{Letters(Controls)}}","targets":"{{Letters(Targets)}}"}""";

    private static string Letters(IEnumerable<ProbeOutcome> outcomes) => string.Concat(outcomes.Select(outcome => outcome switch
    {
        ProbeOutcome.Open => 'o',
        ProbeOutcome.Refused => 'r',
        ProbeOutcome.TimedOut => 't',
        ProbeOutcome.Unreachable => 'u',
        _ => 'e',
    }));
}
