using System.Diagnostics.Metrics;

namespace Dora.Testing;

/// <summary>Counts the passes of every controller loop in this process, from its meter.</summary>
public sealed class ReconcileCount : IDisposable
{
    private readonly MeterListener meters = new();
    private int passes;
    private TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to count.</summary>
    public ReconcileCount()
    {
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "reconcile_total")
                listener.EnableMeasurementEvents(instrument);
        };
        meters.SetMeasurementEventCallback<long>((_, _, _, _) =>
        {
            Interlocked.Increment(ref passes);
            Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        });
        meters.Start();
    }

    /// <summary>Waits for so many more passes, a minute at most for each.</summary>
    /// <exception cref="TimeoutException">A minute without a pass.</exception>
    public async Task PassesAsync(int count, CancellationToken cancellationToken)
    {
        var goal = Volatile.Read(ref passes) + count;
        while (true)
        {
            var pass = Volatile.Read(ref next).Task;
            if (Volatile.Read(ref passes) >= goal)
                return;
            await pass.WaitAsync(TimeSpan.FromSeconds(60), cancellationToken);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => meters.Dispose();
}
