using System.Globalization;

namespace Dora.Agent.Backups;

/// <summary>
/// Shows that a run gets on: a line in the log, and a file whose time of change the container's liveness probe looks at
/// (<c>dora-agent alive</c>). It beats when bytes flow and when the tool shows that it works, not when time passes: a run that hangs is ended.
/// </summary>
internal sealed class Heartbeat(string path, TextWriter log, TimeProvider clock)
{
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private DateTimeOffset _last;

    /// <summary>Bytes so far.</summary>
    public void Beat(long bytes) => Beat(() => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.0} MiB"));

    /// <summary>The tool works, and says not how far it is.</summary>
    public void BeatForTool() => Beat(() => "the engine's tool is at work");

    private void Beat(Func<string> what)
    {
        lock (_lock)
        {
            var now = clock.GetUtcNow();
            if (now - _last < _interval)
                return;
            _last = now;
            File.WriteAllText(path, now.ToString("O", CultureInfo.InvariantCulture));
            log.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{now:HH:mm:ss} {what()}"));
        }
    }

    /// <summary>Whether the last beat is recent enough.</summary>
    public static bool IsAlive(string path, TimeSpan most, TimeProvider clock) =>
        File.Exists(path) && DateTimeOffset.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out var last) && clock.GetUtcNow() - last <= most;
}
