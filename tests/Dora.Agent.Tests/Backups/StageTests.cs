using System.Diagnostics;
using System.Globalization;
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
        Assert.Equal("1", (await EndedAsync(Stage.Short))["keys"]);
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
        var ending = EndedAsync(Stage.Short);
        _clock.Advance(TimeSpan.FromMinutes(3));

        await Assert.ThrowsAsync<ToolFailedException>(() => ending);
    }

    [Fact]
    public async Task A_tool_that_shows_that_it_works_is_waited_for()
    {
        var signs = 0;
        var seen = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var ending = _stage.EndedAsync(
            Stage.Short,
            () =>
            {
                if (Interlocked.Increment(ref signs) == 2)
                    seen.TrySetResult();
            },
            Token);
        _clock.Advance(TimeSpan.FromSeconds(90));
        await File.WriteAllTextAsync(Path.Combine(_folder, "alive"), "", Token);
        await seen.Task.WaitAsync(Token);
        _clock.Advance(TimeSpan.FromSeconds(90));
        Say("exit=0\ncount:keys=1\n");

        Assert.Equal("1", (await ending)["count:keys"]);
    }

    [Fact]
    public async Task Where_the_runs_own_deadline_ends_it_a_silent_tool_is_waited_for()
    {
        var ending = EndedAsync(Timeout.InfiniteTimeSpan);
        for (var hour = 0; hour < 6; hour++)
            _clock.Advance(TimeSpan.FromHours(1));
        Say("exit=0\n");

        Assert.Empty(await ending);
    }

    [Theory]
    [InlineData("cat '{0}/data'", 0)]
    [InlineData("cat /dev/zero >'{0}/data'", 1)]
    public async Task A_tool_that_waits_at_the_pipe_of_a_run_that_failed_is_let_go(string tool, int code)
    {
        _stage.Prepare();
        var commands = string.Format(CultureInfo.InvariantCulture, tool + "; code=$?; cat '{0}/verdict'; exit $code", _folder);
        using var process = Process.Start(new ProcessStartInfo("bash", ["-c", commands]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        _stage.Release();
        var said = await process.StandardOutput.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);

        Assert.Equal("failed\n", said);
        Assert.True(code == 0 || process.ExitCode != 0);
    }

    [Fact]
    public async Task Who_comes_to_the_pipe_after_the_run_failed_finds_no_way_in()
    {
        _stage.Prepare();
        _stage.Release();

        await Assert.ThrowsAnyAsync<UnauthorizedAccessException>(() => File.WriteAllTextAsync(Path.Combine(_folder, "data"), "much", Token));
    }

    [Fact]
    public async Task What_was_approved_stays_approved_when_the_tool_fails_after_it()
    {
        _stage.Prepare();
        await _stage.ApproveAsync(Token);
        _stage.Release();

        Assert.Equal("ok\n", await File.ReadAllTextAsync(Path.Combine(_folder, "verdict"), Token));
    }

    [Fact]
    public async Task Facts_are_told_a_line_each()
    {
        await _stage.TellAsync(new Dictionary<string, string> { ["set"] = "20261121-030000F", ["note"] = "two\nlines" }, Token);

        Assert.Equal(["set=20261121-030000F", "note=two lines"], await File.ReadAllLinesAsync(Path.Combine(_folder, "facts"), Token));
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

    private Task<IReadOnlyDictionary<string, string>> EndedAsync(TimeSpan patience) => _stage.EndedAsync(patience, () => { }, Token);

    private void Say(string text)
    {
        var file = Path.Combine(_folder, "outcome");
        File.WriteAllText(file + ".new", text);
        File.Move(file + ".new", file);
    }
}
