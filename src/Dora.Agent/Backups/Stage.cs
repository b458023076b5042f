using System.Runtime.InteropServices;

namespace Dora.Agent.Backups;

/// <summary>
/// The folder that the agent shares with the engine's tool: <c>data</c> is a named pipe, <c>outcome</c> a file that the tool writes when it is
/// done, <c>verdict</c> one that the agent writes before it closes the pipe. A pipe ends the same way when all was said and when the speaker died.
/// A tool that works for long touches <c>alive</c>; one that stores data by itself finds what is known of it in <c>facts</c>.
/// </summary>
internal sealed partial class Stage(string folder, TimeProvider clock)
{
    private const string Verdict = "verdict";
    private const string Alive = "alive";

    // How often a wait looks at the clock.
    private static readonly TimeSpan _look = TimeSpan.FromMinutes(1);

    /// <summary>How long the tool may take to say how it ended, when all it had to say was said.</summary>
    public static TimeSpan Short { get; } = TimeSpan.FromMinutes(2);

    /// <summary>The same, where it has work to do with what it got: each sign of life begins it anew.</summary>
    public static TimeSpan Long { get; } = TimeSpan.FromMinutes(30);

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
    public Task ApproveAsync(CancellationToken cancellationToken) => SayAsync(Verdict, "ok\n", cancellationToken);

    /// <summary>Tells the tool what is known of the data, a line each.</summary>
    public Task TellAsync(IReadOnlyDictionary<string, string> facts, CancellationToken cancellationToken) =>
        SayAsync("facts", string.Concat(facts.Select(fact => $"{fact.Key}={fact.Value.ReplaceLineEndings(" ")}\n")), cancellationToken);

    /// <summary>Waits until the tool says how it ended; answers the facts that it gives.</summary>
    /// <param name="patience">How long it may give no sign of life; infinite: the run's own deadline ends it.</param>
    /// <param name="alive">Called when it gives one; and while a wait that has an end goes on.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    /// <exception cref="ToolFailedException">It failed, or says nothing.</exception>
    public async Task<IReadOnlyDictionary<string, string>> EndedAsync(TimeSpan patience, Action alive, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var sign = clock.GetTimestamp();
        var ended = AppearsAsync(
            () =>
            {
                Interlocked.Exchange(ref sign, clock.GetTimestamp());
                alive();
            },
            stop.Token);
        while (!await EndsAsync(ended, cancellationToken).ConfigureAwait(false))
        {
            if (patience == Timeout.InfiniteTimeSpan)
                continue;
            if (clock.GetElapsedTime(Interlocked.Read(ref sign)) >= patience)
            {
                await stop.CancelAsync().ConfigureAwait(false);
                throw new ToolFailedException($"the engine's tool gave no sign of life for {patience.TotalMinutes:0} minutes, and did not say how it ended: see its container");
            }

            alive();
        }

        return ToolOutcome.Parse(await File.ReadAllTextAsync(Outcome, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// Lets go of a tool that waits, of a run that will not go on: at the pipe it finds the end, and no other way in; for a verdict, one that is not <c>ok</c>.
    /// </summary>
    public void Release()
    {
        try
        {
            if (!File.Exists(Path.Combine(folder, Verdict)))
                File.WriteAllText(Path.Combine(folder, Verdict), "failed\n");
            // Both ends at once: this does not wait, and ends the waiting of whoever is at the other one.
            using var pipe = new FileStream(Data, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            File.Delete(Data);
            // Who comes later must not make a file of that name, and fill it.
            Directory.CreateDirectory(Data);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // There is no pipe, and so nobody at it.
        }
    }

    private async Task<bool> EndsAsync(Task ended, CancellationToken cancellationToken)
    {
        try
        {
            await ended.WaitAsync(_look, clock, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    // Written beside and renamed, so that nobody reads half of it.
    private async Task SayAsync(string name, string text, CancellationToken cancellationToken)
    {
        var file = Path.Combine(folder, name);
        await File.WriteAllTextAsync(file + ".new", text, cancellationToken).ConfigureAwait(false);
        File.Move(file + ".new", file, overwrite: true);
    }

    // To open a pipe waits for its other end, and cannot be called off: a tool that ended without it would be waited for in vain.
    private async Task<Stream> OpenAsync(FileMode mode, FileAccess access, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var opened = Task.Factory.StartNew<Stream>(() => new FileStream(Data, mode, access, FileShare.ReadWrite, bufferSize: 0), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var ended = AppearsAsync(() => { }, stop.Token);
        var first = await Task.WhenAny(opened, ended).ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        if (first == opened)
            return await opened.ConfigureAwait(false);
        await ended.ConfigureAwait(false);
        ToolOutcome.Parse(await File.ReadAllTextAsync(Outcome, cancellationToken).ConfigureAwait(false));
        try
        {
            // One with little to say may have said it before this end of the pipe was seen to be open.
            return await opened.WaitAsync(Short, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new ToolFailedException("the engine's tool says that it has ended, and never opened the pipe");
        }
    }

    private async Task AppearsAsync(Action alive, CancellationToken cancellationToken)
    {
        var appeared = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var watcher = new FileSystemWatcher(folder) { NotifyFilter = NotifyFilters.FileName | NotifyFilters.LastWrite | NotifyFilters.Attributes };
        // Written beside and renamed, so that nobody reads half of it.
        watcher.Renamed += (_, _) => Look(appeared);
        watcher.Created += (_, change) => Look(appeared, change.Name, alive);
        watcher.Changed += (_, change) => Look(appeared, change.Name, alive);
        watcher.EnableRaisingEvents = true;
        Look(appeared);
        await appeared.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    private void Look(TaskCompletionSource appeared, string? name, Action alive)
    {
        if (name == Alive)
            alive();
        else
            Look(appeared);
    }

    private void Look(TaskCompletionSource appeared)
    {
        if (File.Exists(Outcome))
            appeared.TrySetResult();
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakePipe(string path, uint mode);
}
