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

    [Theory]
    [InlineData(6, "0")]
    [InlineData(8, "3")]
    public async Task The_first_backups_of_another_system_push_out_none_for_a_week(int age, string expected)
    {
        var stanza = Stanza(0, "ok");
        stanza["db"] = new JsonArray(new JsonObject { ["id"] = 1, ["system-id"] = 7 }, new JsonObject { ["id"] = 2, ["system-id"] = 8 });
        foreach (var backup in stanza["backup"]!.AsArray().Where((_, index) => index > 0))
            backup!["database"]!["id"] = 2;
        stanza["backup"]![1]!["timestamp"]!["stop"] = TimeProvider.System.GetUtcNow().AddDays(-age).ToUnixTimeSeconds();

        Assert.Equal(expected, (await SayAsync(stanza, "keep 3 0")).Output);
    }

    [Fact]
    public async Task What_is_restored_follows_the_archive_of_its_own_system()
    {
        var stanza = Stanza(0, "ok");
        stanza["db"] = new JsonArray([.. ((int[])[7, 8, 7, 8]).Select((system, index) => new JsonObject { ["id"] = index + 1, ["system-id"] = system })]);
        stanza["backup"]![4]!["database"]!["id"] = 4;
        stanza["archive"] = new JsonArray([.. ((string[])["A", "B", "C", "D"]).Select((file, index) => new JsonObject { ["id"] = $"15-{index + 1}", ["max"] = new string(file[0], 24), ["database"] = new JsonObject { ["id"] = index + 1 } })]);

        Assert.Equal($"archive/main/15-3/{new string('C', 16)} {new string('C', 24)}", (await SayAsync(stanza, "newest full-20")).Output);
        Assert.Equal($"archive/main/15-4/{new string('D', 16)} {new string('D', 24)}", (await SayAsync(stanza, "newest full-1")).Output);
        // The newest of its system goes on with the log, whatever another system stored since.
        Assert.Equal("default", (await SayAsync(stanza, "point full-2 4000000000")).Output);
    }

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
            await File.WriteAllTextAsync(file, new JsonArray(stanza.DeepClone()).ToJsonString(), TestContext.Current.CancellationToken);
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
