namespace Dora.Kubernetes.Runtime;

/// <summary>Exponential delays between a first and a longest one.</summary>
/// <param name="First">Delay after the first failure.</param>
/// <param name="Longest">No delay is longer, jitter aside.</param>
public sealed record Backoff(TimeSpan First, TimeSpan Longest)
{
    /// <summary>For the keys of a queue: 5 ms to 1,000 s.</summary>
    public static Backoff OfQueue { get; } = new(TimeSpan.FromMilliseconds(5), TimeSpan.FromSeconds(1000));

    /// <summary>For lists and watches: 0.8 s to 30 s.</summary>
    public static Backoff OfInformer { get; } = new(TimeSpan.FromMilliseconds(800), TimeSpan.FromSeconds(30));

    /// <summary>The delay after so many failures before this one.</summary>
    /// <param name="failures">0 for the first failure.</param>
    /// <param name="jitter">In [0, 1): stretches the delay by up to as much again.</param>
    public TimeSpan After(int failures, double jitter = 0)
    {
        // 2^60 times any delay is beyond the longest; a larger exponent would only overflow.
        var seconds = First.TotalSeconds * Math.Pow(2, Math.Min(failures, 60));
        return TimeSpan.FromSeconds(Math.Min(seconds, Longest.TotalSeconds) * (1 + jitter));
    }
}
