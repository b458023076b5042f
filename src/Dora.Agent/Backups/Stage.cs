using System.Runtime.InteropServices;

namespace Dora.Agent.Backups;

/// <summary>
/// The folder that the agent shares with the engine's tool: <c>data</c> is a named pipe, <c>outcome</c> a file that the tool writes when it is
/// done, <c>verdict</c> one that the agent writes before it closes the pipe. A pipe ends the same way when all was said and when the speaker died.
/// </summary>
internal sealed partial class Stage(string folder, TimeProvider clock)
{
    private const string Verdict = "verdict";

    // How long the tool may take to say how it ended, when the data has.
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);

    private string Data => Path.Combine(folder, "data");

    private string Outcome => Path.Combine(folder, "outcome");

    /// <summary>Makes the pipe, unless it is there.</summary>
    /// <exception cref="BadOrderException">It cannot be made.</exception>
    public void Prepare()
    {
        const int Exists = 17;
        const uint OwnerAndGroup = 0b110_110_000;
        if (MakePipe(Data, OwnerAndGroup) != 0 && Marshal.GetLastPInvokeError() is not Exists and var error)
            throw new BadOrderException($"{Data} cannot be made: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>The pipe's end that the tool writes into; waits until it does.</summary>
    /// <exception cref="ToolFailedException">The tool ended before it wrote anything.</exception>
    public Task<Stream> ReadAsync(CancellationToken cancellationToken) => OpenAsync(FileMode.Open, FileAccess.Read, cancellationToken);

    /// <summary>The pipe's end that the tool reads from; waits until it does.</summary>
    /// <exception cref="ToolFailedException">The tool ended before it read anything.</exception>
    public Task<Stream> WriteAsync(CancellationToken cancellationToken) => OpenAsync(FileMode.Open, FileAccess.Write, cancellationToken);

    /// <summary>Tells the tool that what it got is all there is, and right. Before the pipe is closed: after that it would be too late.</summary>
    public Task ApproveAsync(CancellationToken cancellationToken) => File.WriteAllTextAsync(Path.Combine(folder, Verdict), "ok\n", cancellationToken);

    /// <summary>Waits until the tool says how it ended; answers the facts that it gives.</summary>
    /// <exception cref="ToolFailedException">It failed, or says nothing.</exception>
    public async Task<IReadOnlyDictionary<string, string>> EndedAsync(CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(_patience, clock);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            await AppearsAsync(stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ToolFailedException($"the engine's tool did not say how it ended within {_patience.TotalSeconds:0} s: see its container");
        }

        return ToolOutcome.Parse(await File.ReadAllTextAsync(Outcome, cancellationToken).ConfigureAwait(false));
    }

    // To open a pipe waits for its other end, and cannot be called off: a tool that ended without it would be waited for in vain.
    private async Task<Stream> OpenAsync(FileMode mode, FileAccess access, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var opened = Task.Factory.StartNew<Stream>(() => new FileStream(Data, mode, access, FileShare.ReadWrite, bufferSize: 0), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var ended = AppearsAsync(stop.Token);
        var first = await Task.WhenAny(opened, ended).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        if (first == opened)
            return await opened.ConfigureAwait(false);
        await ended.ConfigureAwait(false);
        ToolOutcome.Parse(await File.ReadAllTextAsync(Outcome, cancellationToken).ConfigureAwait(false));
        try
        {
            // One with little to say may have said it before this end of the pipe was seen to be open.
            return await opened.WaitAsync(_patience, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new ToolFailedException("the engine's tool says that it has ended, and never opened the pipe");
        }
    }

    private async Task AppearsAsync(CancellationToken cancellationToken)
    {
        var appeared = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(folder);
        // Written beside and renamed, so that nobody reads half of it.
        watcher.Renamed += (_, _) => Look(appeared);
        watcher.Created += (_, _) => Look(appeared);
        watcher.EnableRaisingEvents = true;
        Look(appeared);
        await appeared.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Look(TaskCompletionSource appeared)
    {
        if (File.Exists(Outcome))
            appeared.TrySetResult();
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);
}
