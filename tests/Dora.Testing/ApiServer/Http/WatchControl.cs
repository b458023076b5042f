namespace Dora.Testing.ApiServer.Http;

/// <summary>What a test can make all open watches do.</summary>
internal enum WatchSignal
{
    Bookmark,
    Expire,
}

/// <summary>Sends a signal to every open watch.</summary>
internal sealed class WatchControl
{
    private TaskCompletionSource<WatchSignal> next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<WatchSignal> Next => Volatile.Read(ref next).Task;

    public void Send(WatchSignal signal) =>
        Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult(signal);
}
