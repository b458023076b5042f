using Dora.Agent.Backups;
using Dora.Testing;

namespace Dora.Agent.Tests.Backups;

public sealed class HeartbeatTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dora-heartbeat").FullName;
    private readonly ManualClock _clock = new();

    private string File => Path.Combine(_folder, "heartbeat");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_run_lives_while_bytes_flow_and_not_because_time_passes()
    {
        var heartbeat = new Heartbeat(File, TextWriter.Null, _clock);
        Assert.False(Heartbeat.IsAlive(File, TimeSpan.FromMinutes(1), _clock));

        heartbeat.Beat(1);
        _clock.Advance(TimeSpan.FromSeconds(50));
        Assert.True(Heartbeat.IsAlive(File, TimeSpan.FromMinutes(1), _clock));

        _clock.Advance(TimeSpan.FromSeconds(20));
        Assert.False(Heartbeat.IsAlive(File, TimeSpan.FromMinutes(1), _clock));

        heartbeat.Beat(2);
        Assert.True(Heartbeat.IsAlive(File, TimeSpan.FromMinutes(1), _clock));
    }

    [Fact]
    public void Many_bytes_in_a_moment_are_one_line()
    {
        using var log = new StringWriter();
        var heartbeat = new Heartbeat(File, log, _clock);
        for (var bytes = 0; bytes < 1000; bytes++)
            heartbeat.Beat(bytes);

        Assert.Single(log.ToString().TrimEnd().Split('\n'));
    }
}
