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
        stanza["db"] = new JsonArray([.. ((int[])[7, 8, 7, 8]).Select((system, index) => new JsonObject { ["id"] = index + 1, ["version"] = "15", ["system-id"] = system })]);
        stanza["backup"]![4]!["database"]!["id"] = 4;
        stanza["archive"] = new JsonArray([.. ((string[])["A", "B", "C", "D"]).Select((file, index) => new JsonObject { ["id"] = $"15-{index + 1}", ["max"] = new string(file[0], 24), ["database"] = new JsonObject { ["id"] = index + 1 } })]);

        Assert.Equal("15-1\n15-3", (await SayAsync(stanza, "archives full-20")).Output);
        Assert.Equal("15-4\n15-2", (await SayAsync(stanza, "archives full-1")).Output);
        // The newest of its system goes on with the log, whatever another system stored since.
        var folder = Directory.CreateTempSubdirectory("dora-archive-");
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "15-1.list"), new JsonObject { [$"0000000100000000/{LogFile("00000001/03")}-{new string('a', 40)}.zst"] = new JsonObject { ["time"] = 4000000000 } }.ToJsonString(), TestContext.Current.CancellationToken);
        Assert.Equal("default", (await SayAsync(stanza, $"point full-2 {folder.FullName}")).Output);
        Assert.Equal("immediate", (await SayAsync(stanza, $"point full-20 {folder.FullName}")).Output);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_repository_that_does_not_answer_is_no_empty_one() =>
        Assert.Equal((1, "the repository of pgBackRest cannot be read: other"), await SayAsync(Stanza(99, "other"), "keep 3 0"));

    [Fact]
    public async Task A_backup_that_has_expired_is_named() =>
        Assert.Equal((3, "pgBackRest has no backup 20200101-000000F: it has expired, or was removed"), await SayAsync(Stanza(0, "ok"), "archives 20200101-000000F"));

    [Fact]
    public async Task Damaged_pages_are_no_success() =>
        Assert.Equal((1, "backup full-1 is stored, and holds pages whose checksums are wrong: the data of the member that was read is damaged"), await SayAsync(Stanza(0, "ok", damaged: true), "facts full-1"));

    [Theory]
    [InlineData("full-1", "default")]
    [InlineData("full-3", "immediate")]
    public async Task The_newest_backup_goes_on_with_the_log_and_an_older_one_ends_where_it_ended(string label, string expected) =>
        Assert.Equal((0, expected), await PointAsync(label, "", ["00000001/03", "00000001/04"]));

    [Fact]
    public async Task The_log_is_followed_from_each_timeline_onto_the_next()
    {
        // The second began in file 5, the third in file 6, which the second has as well.
        string[] files = ["00000001/03", "00000001/04", "00000002/05", "00000002/06", "00000003/06", "00000003/07"];
        const string Histories = "1\t0/5000100\tno recovery target specified\n\n2\t0/6000200\tno recovery target specified\n";
        Assert.Equal((0, "default"), await PointAsync("full-1", "", files, Histories));
        Assert.Equal((0, "lsn"), await PointAsync("full-1", "lsn 0/7000000", files, Histories));
        var (code, said) = await PointAsync("full-1", "", [.. files.Where(file => file != "00000003/06")], Histories);
        Assert.Equal(3, code);
        Assert.Contains("file 000000030000000000000006 of the log is missing", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_restore_went_back_over_is_reached_no_more()
    {
        var (code, said) = await PointAsync("full-1", "lsn 0/4000000", ["00000001/03", "00000001/04", "00000002/03"], "1\t0/3000040\tbefore a point\n");
        Assert.Equal(4, code);
        Assert.Contains("went back over", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("lsn 0/4000000", 0)]
    [InlineData("lsn 0/5FFFFFF", 0)]
    [InlineData("lsn 0/6000000", 3)]
    [InlineData("name any", 3)]
    [InlineData("time 2100-01-01T00:00:00Z", 4)]
    [InlineData("lsn 0/3000000", 4)]
    [InlineData("lsn 0/9000000", 4)]
    public async Task A_hole_in_the_log_keeps_nobody_from_what_is_before_it(string target, int expected) =>
        Assert.Equal(expected, (await PointAsync("full-1", target, ["00000001/03", "00000001/04", "00000001/05", "00000001/07"])).Code);

    [Theory]
    [InlineData("backup: full-1, status: valid, total files checked: 9", "total WAL checked: 2, total valid WAL: 2", "", 0)]
    [InlineData("backup: full-1, status: manifest missing, total files checked: 0", "total WAL checked: 2, total valid WAL: 2", "", 3)]
    [InlineData("backup: full-2, status: valid, total files checked: 9", "total WAL checked: 2, total valid WAL: 2", "", 3)]
    [InlineData("backup: full-1, status: valid, total files checked: 9", "total WAL checked: 2, total valid WAL: 1", "", 3)]
    [InlineData("backup: full-1, status: valid, total files checked: 9", "total WAL checked: 2, total valid WAL: 1", "INFO: invalid checksum '15-1/0000000100000000/000000010000000000000004-0'", 3)]
    [InlineData("backup: full-1, status: valid, total files checked: 9", "total WAL checked: 2, total valid WAL: 1", "INFO: invalid checksum '15-1/0000000100000000/000000010000000000000001-0'", 0)]
    [InlineData("", "", "No usable backup.info file", 3)]
    public async Task Only_what_says_that_all_is_valid_is_taken_for_that(string backup, string log, string line, int expected) =>
        Assert.Equal(expected, (await PointAsync("full-1", "", ["00000001/03", "00000001/04"], verified: $"{line}\n  archiveId: 15-1, {log}\n  {backup}\n")).Code);

    // pgBackRest says "valid" of what builds on a broken file, where it reads that one later.
    [Theory]
    [InlineData("invalid checksum 'full-3/pg_data/base/1/1259.zst'", true, 3)]
    [InlineData("invalid result full-3/pg_data/base/1/1259.zst: [29] raised from local-3 protocol: zst error", true, 3)]
    [InlineData("file missing 'full-3/pg_data/base/1/1260.zst'", true, 0)]
    [InlineData("file missing 'full-3/pg_data/base/1/1260.zst'", false, 3)]
    [InlineData("file missing 'full-7/pg_data/base/1/1259.zst'", true, 0)]
    public async Task A_broken_file_of_another_backup_counts_where_this_one_builds_on_it(string line, bool manifest, int expected)
    {
        const string Manifest = """
            [target:file]
            pg_data/base/1/1259={"bni":2,"reference":"full-3","size":8192}
            pg_data/base/1/1260={"bni":1,"size":8192}
            """;
        const string Valid = "  archiveId: 15-1, total WAL checked: 2, total valid WAL: 2\n  backup: full-1, status: valid, total files checked: 9\n";
        Assert.Equal(expected, (await PointAsync("full-1", "", ["00000001/03", "00000001/04"], verified: $"P01   INFO: {line}\n{Valid}", manifest: manifest ? Manifest : null)).Code);
    }

    private static JsonObject Stanza(int code, string message, bool damaged = false) => new()
    {
        ["name"] = "main",
        ["status"] = new JsonObject { ["code"] = code, ["message"] = message },
        ["db"] = new JsonArray(new JsonObject { ["id"] = 1, ["version"] = "15" }),
        ["backup"] = new JsonArray([.. Ages.Select(age => new JsonObject
        {
            ["label"] = $"full-{age}",
            ["type"] = "full",
            ["error"] = damaged,
            ["reference"] = age == 1 ? new JsonArray("full-3") : null,
            ["database"] = new JsonObject { ["id"] = 1 },
            ["archive"] = new JsonObject { ["start"] = LogFile("00000001/03"), ["stop"] = LogFile("00000001/03") },
            ["lsn"] = new JsonObject { ["start"] = "0/3000028", ["stop"] = "0/3000100" },
            ["timestamp"] = new JsonObject { ["stop"] = TimeProvider.System.GetUtcNow().AddDays(-age).ToUnixTimeSeconds() },
        })]),
    };

    // A file of the log, by its timeline and number.
    private static string LogFile(string file) => $"{file[..8]}00000000000000{file[9..]}";

    private static async Task<(int Code, string Output)> PointAsync(string label, string target, string[] files, string? history = null, string? verified = null, string? manifest = null)
    {
        var folder = Directory.CreateTempSubdirectory("dora-archive-");
        var listed = new JsonObject([.. files.Select(LogFile).Select(file => KeyValuePair.Create($"{file[..16]}/{file}-{new string('a', 40)}.zst", (JsonNode?)new JsonObject { ["time"] = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() }))]);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "15-1.list"), listed.ToJsonString(), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(folder.FullName, "verified"), verified ?? "", TestContext.Current.CancellationToken);
        if (manifest is not null)
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "manifest"), manifest, TestContext.Current.CancellationToken);
        foreach (var timeline in Enumerable.Range(2, history?.Split('\t').Length / 2 ?? 0))
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, $"0000000{timeline}.history"), history, TestContext.Current.CancellationToken);
        try
        {
            return await SayAsync(Stanza(0, "ok"), $"{(verified is null ? "point" : "whole")} {label} {folder.FullName} {target}");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

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
