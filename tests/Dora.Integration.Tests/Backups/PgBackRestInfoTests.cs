using System.Text.Json.Nodes;
using Dora.Testing;
using Xunit;

namespace Dora.Integration.Tests.Backups;

/// <summary>What scripts make of pgBackRest's own list of its backups.</summary>
public sealed class PgBackRestInfoTests
{
    // Days since each of five full backups ended.
    private static readonly int[] Ages = [20, 10, 3, 2, 1];

    [Theory]
    [InlineData(3, 0, "3")]
    [InlineData(0, 7, "4")]
    [InlineData(10, 7, "10")]
    [InlineData(1, 7, "4")]
    [InlineData(0, 0, "1")]
    public async Task Full_backups_stay_for_the_rule_that_wants_the_most(int last, int days, string expected) =>
        Assert.Equal(expected, (await SayAsync(Stanza(0, "ok"), $"keep {last} {days}")).Output);

    [Fact]
    public async Task A_repository_that_does_not_answer_is_no_empty_one() =>
        Assert.Equal((1, "the repository of pgBackRest cannot be read: other"), await SayAsync(Stanza(99, "other"), "keep 3 0"));

    [Fact]
    public async Task A_backup_that_has_expired_is_named() =>
        Assert.Equal((1, "pgBackRest has no backup 20200101-000000F: it has expired, or was removed"), await SayAsync(Stanza(0, "ok"), "point 20200101-000000F 2000000000"));

    [Fact]
    public async Task Damaged_pages_are_no_success() =>
        Assert.Equal((1, "backup full-1 is stored, and holds pages whose checksums are wrong: the data of the member that was read is damaged"), await SayAsync(Stanza(0, "ok", damaged: true), "facts full-1"));

    [Theory]
    [InlineData("full-1", "default")]
    [InlineData("full-3", "immediate")]
    public async Task The_newest_backup_goes_on_with_the_log_and_an_older_one_ends_where_it_ended(string label, string expected) =>
        Assert.Equal((0, expected), await SayAsync(Stanza(0, "ok"), $"point {label} 4000000000"));

    private static JsonObject Stanza(int code, string message, bool damaged = false) => new()
    {
        ["name"] = "main",
        ["status"] = new JsonObject { ["code"] = code, ["message"] = message },
        ["backup"] = new JsonArray([.. Ages.Select(age => new JsonObject
        {
            ["label"] = $"full-{age}",
            ["type"] = "full",
            ["error"] = damaged,
            ["database"] = new JsonObject { ["id"] = 1 },
            ["timestamp"] = new JsonObject { ["stop"] = TimeProvider.System.GetUtcNow().AddDays(-age).ToUnixTimeSeconds() },
        })]),
    };

    private static async Task<(int Code, string Output)> SayAsync(JsonObject stanza, string question)
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, new JsonArray(stanza).ToJsonString(), TestContext.Current.CancellationToken);
            var script = Path.Combine(GoldenFile.RepositoryRoot, "src", "Dora.Engines", "Postgres", "scripts", "pgbackrest-info.py");
            await using var process = new ChildProcess("bash", ["-c", $"python3 {script} {question} <{file}"]);
            await process.EndedAsync(TestContext.Current.CancellationToken);
            return (process.ExitCode, process.Output.Trim());
        }
        finally
        {
            File.Delete(file);
        }
    }
}
