using Dora.Agent.Backups;
using Dora.Testing;

namespace Dora.Agent.Tests.Backups;

public sealed class StageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("dora-stage").FullName;
    private readonly ManualClock _clock = new();
    private readonly Stage _stage;

    public StageTests() => _stage = new(_folder, _clock);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_the_tool_writes_arrives_and_then_how_it_ended()
    {
        _stage.Prepare();
        var tool = Task.Run(
            async () =>
            {
                await File.WriteAllTextAsync(Path.Combine(_folder, "data"), "all of it", Token);
                Say("exit=0\nkeys=1\n");
            },
            Token);
        await using var data = await _stage.ReadAsync(Token);
        using var reader = new StreamReader(data);

        Assert.Equal("all of it", await reader.ReadToEndAsync(Token));
        Assert.Equal("1", (await _stage.EndedAsync(Token))["keys"]);
        await tool;
    }

    [Fact]
    public async Task A_tool_that_ended_before_it_opened_the_pipe_is_not_waited_for()
    {
        _stage.Prepare();
        var reading = _stage.ReadAsync(Token);
        Say("exit=1\nerror=no such host\n");

        Assert.Contains("no such host", (await Assert.ThrowsAsync<ToolFailedException>(() => reading)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_tool_wrote_is_not_lost_when_its_end_is_seen_first()
    {
        _stage.Prepare();
        Say("exit=0\n");
        var reading = _stage.ReadAsync(Token);
        var tool = File.WriteAllTextAsync(Path.Combine(_folder, "data"), "little", Token);
        await using var data = await reading;
        using var reader = new StreamReader(data);

        Assert.Equal("little", await reader.ReadToEndAsync(Token));
        await tool;
    }

    [Fact]
    public async Task A_tool_that_never_says_how_it_ended_has_failed()
    {
        var ending = _stage.EndedAsync(Token);
        _clock.Advance(TimeSpan.FromMinutes(3));

        await Assert.ThrowsAsync<ToolFailedException>(() => ending);
    }

    [Fact]
    public async Task Who_gives_up_does_not_wait()
    {
        _stage.Prepare();
        using var stop = new CancellationTokenSource();
        var reading = _stage.ReadAsync(stop.Token);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }

    [Fact]
    public void To_prepare_twice_is_harmless()
    {
        _stage.Prepare();
        _stage.Prepare();

        Assert.True(File.Exists(Path.Combine(_folder, "data")));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_named() =>
        Assert.Contains("/nowhere/data", Assert.Throws<BadOrderException>(() => new Stage("/nowhere", _clock).Prepare()).Message, StringComparison.Ordinal);

    private void Say(string text)
    {
        var file = Path.Combine(_folder, "outcome");
        File.WriteAllText(file + ".new", text);
        File.Move(file + ".new", file);
    }
}
