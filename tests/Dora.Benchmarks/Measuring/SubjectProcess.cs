using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Dora.Benchmarks.Measuring;

/// <summary>A measured program in a process of its own; the kernel counts what it uses.</summary>
internal sealed partial class SubjectProcess : IAsyncDisposable
{
    private const int Sigterm = 15;
    private const double TicksPerSecond = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Process _process;
    private readonly string _log;
    private readonly TimeProvider _clock;
    private readonly long _started;

    private SubjectProcess(Process process, string log, TimeProvider clock, long started) =>
        (_process, _log, _clock, _started) = (process, log, clock, started);

    /// <summary>Time since just before it was started.</summary>
    public TimeSpan Elapsed => _clock.GetElapsedTime(_started);

    /// <summary>Starts it; stdout and stderr go to the log.</summary>
    public static SubjectProcess Start(string program, IReadOnlyList<string> arguments, string log, TimeProvider clock)
    {
        // The shell gives its process to the program: same id, no pipe that this program would have to empty.
        var start = new ProcessStartInfo("/bin/sh", ["-c", "log=$1; shift; exec \"$@\" >\"$log\" 2>&1", "sh", log, program, .. arguments]);
        var started = clock.GetTimestamp();
        return new(Process.Start(start) ?? throw new Win32Exception($"{program} does not start"), log, clock, started);
    }

    /// <summary>User and system time of all its threads, from <c>/proc/PID/stat</c> (10 ms steps).</summary>
    public double CpuSeconds()
    {
        RequireRunning();
        var stat = File.ReadAllText($"/proc/{_process.Id}/stat");
        // The second field, the name in parentheses, may hold spaces; utime and stime are fields 14 and 15.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Resident memory now and at its peak, in MiB, from <c>/proc/PID/status</c>.</summary>
    public (double Resident, double Peak) Memory()
    {
        RequireRunning();
        var status = File.ReadAllLines($"/proc/{_process.Id}/status");
        return (Read("VmRSS:"), Read("VmHWM:"));

        double Read(string field)
        {
            var line = status.First(line => line.StartsWith(field, StringComparison.Ordinal));
            return long.Parse(line[field.Length..^"kB".Length].Trim(), CultureInfo.InvariantCulture) / 1024.0;
        }
    }

    /// <summary>Peak of resident memory in MiB, as last seen before it ended.</summary>
    public async Task<double> PeakAsync(CancellationToken cancellationToken)
    {
        var peak = 0.0;
        while (!_process.HasExited)
        {
            peak = Math.Max(peak, PeakOrNothing());
            await Task.Delay(TimeSpan.FromMilliseconds(50), _clock, cancellationToken);
        }

        return peak;

        // It may end between two looks; and it may be the shell still that gives it its place.
        double PeakOrNothing()
        {
            try
            {
                return Memory().Peak;
            }
            catch (Exception exception) when (exception is InvalidOperationException or IOException)
            {
                return 0;
            }
        }
    }

    /// <summary>Ends when it used at most 20 ms of CPU in a second: nothing of its work is left.</summary>
    /// <returns>Whether it became quiet within the time given.</returns>
    public async Task<bool> QuietAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        var began = _clock.GetTimestamp();
        var before = CpuSeconds();
        while (_clock.GetElapsedTime(began) < limit)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), _clock, cancellationToken);
            var now = CpuSeconds();
            if (now - before <= 0.0201)
                return true;
            before = now;
        }

        return false;
    }

    /// <summary>Waits until it ends by itself.</summary>
    /// <returns>How long it ran.</returns>
    /// <exception cref="InvalidOperationException">It failed.</exception>
    public async Task<TimeSpan> EndAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        var elapsed = Elapsed;
        return _process.ExitCode == 0 ? elapsed : throw Ended();
    }

    /// <summary>Asks it to end and waits; kills it if it does not.</summary>
    /// <returns>How long it took.</returns>
    public async Task<TimeSpan> StopAsync()
    {
        var asked = _clock.GetTimestamp();
        if (!_process.HasExited)
            _ = Kill(_process.Id, Sigterm);
        using var patience = new CancellationTokenSource(Patience, _clock);
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }

        return _clock.GetElapsedTime(asked);
    }

    /// <exception cref="InvalidOperationException">It ended by itself.</exception>
    public void RequireRunning()
    {
        if (_process.HasExited)
            throw Ended();
    }

    private InvalidOperationException Ended() =>
        new($"{_log}: the program ended with exit code {_process.ExitCode}; its last lines:\n{string.Join('\n', File.ReadLines(_log).TakeLast(10))}");

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}
