using System.Diagnostics;
using System.Runtime.Versioning;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Neo4j;
using Dora.Engines.Rendering;
using Xunit;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>The script that starts a member, run by a real shell; only Neo4j's own programs are stand-ins.</summary>
[SupportedOSPlatform("linux")]
public sealed class StartScriptTests : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("dora-neo4j-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Theory]
    [InlineData(0, "PRIMARY")]
    [InlineData(2, "PRIMARY")]
    [InlineData(3, "SECONDARY")]
    public async Task A_member_of_a_cluster_lists_all_and_knows_its_own_name_and_role(int ordinal, string role)
    {
        var conf = await StartAsync(new(License: Neo4jLicense.Commercial, Secondaries: 2), ordinal);
        string[] expected =
        [
            $"server.default_advertised_address=payments-neo4j-{ordinal}.payments-neo4j-members.compliance.svc",
            $"server.cluster.advertised_address=payments-neo4j-{ordinal}.payments-neo4j-members.compliance.svc:6000",
            $"server.cluster.raft.advertised_address=payments-neo4j-{ordinal}.payments-neo4j-members.compliance.svc:7000",
            $"server.routing.advertised_address=payments-neo4j-{ordinal}.payments-neo4j-members.compliance.svc:7688",
            $"server.cluster.system_database_mode={role}",
            $"initial.server.mode_constraint={role}",
            "dbms.cluster.discovery.version=V2_ONLY",
            $"dbms.cluster.discovery.v2.endpoints={string.Join(',', Enumerable.Range(0, 5).Select(i => $"payments-neo4j-{i}.payments-neo4j-members.compliance.svc:6000"))}",
        ];
        Assert.All(expected, line => Assert.Contains(line, conf));
        Assert.Equal("console", Call("neo4j"));
    }

    [Fact]
    public async Task The_calendar_versions_are_told_by_their_own_setting()
    {
        var conf = await StartAsync(new(Neo4jVersion.V202511, License: Neo4jLicense.Commercial), 0);
        Assert.Contains(conf, line => line.StartsWith("dbms.cluster.endpoints=payments-neo4j-0.", StringComparison.Ordinal));
        Assert.DoesNotContain(conf, line => line.StartsWith("dbms.cluster.discovery.v", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_single_server_is_told_nothing_of_a_cluster() =>
        Assert.DoesNotContain(await StartAsync(new(), 0), line => line.Contains("cluster", StringComparison.Ordinal));

    [Fact]
    public async Task The_first_password_is_set_by_a_file_once_and_must_be_changed()
    {
        await StartAsync(new(), 0);
        Assert.Equal($"dbms set-initial-password @{root}/run/neo4j/initial", Call("neo4j-admin"));
        Assert.Equal(["--require-password-change=true", "first-Password1"], await File.ReadAllLinesAsync(Path.Combine(root, "argument-file"), TestContext.Current.CancellationToken));
        Assert.False(File.Exists($"{root}/run/neo4j/initial"));

        Directory.CreateDirectory($"{root}/data/databases/system");
        File.Delete(Path.Combine(root, "neo4j-admin.calls"));
        await StartAsync(new(), 0);
        Assert.False(File.Exists(Path.Combine(root, "neo4j-admin.calls")));
    }

    [Fact]
    public async Task The_directorys_password_is_added_with_its_backslashes_kept()
    {
        Write("ldap/password", "p\\w\"$x\nserver.default_listen_address=evil\n");
        var conf = await StartAsync(new(Edition: Neo4jEdition.Enterprise, License: Neo4jLicense.Commercial), 0);
        Assert.Contains("dbms.security.ldap.authorization.system_password=p\\\\w\"$x", conf);
        Assert.DoesNotContain(conf, line => line.Contains("evil", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_makers_options_for_the_virtual_machine_are_taken_from_the_image()
    {
        Write("conf/neo4j.conf", "server.jvm.additional=-XX:+UseG1GC\nserver.directories.import=import\nserver.jvm.additional=--add-opens=java.base/java.nio=ALL-UNNAMED\n");
        var conf = await StartAsync(new(), 0);
        Assert.Equal(
            ["-XX:+ExitOnOutOfMemoryError", "-XX:+UseG1GC", "--add-opens=java.base/java.nio=ALL-UNNAMED"],
            conf.Where(line => line.StartsWith("server.jvm.additional=", StringComparison.Ordinal)).Select(line => line.Split('=', 2)[1]));
        Assert.DoesNotContain("server.directories.import=import", conf);
    }

    [Fact]
    public async Task Nobody_but_the_server_reads_its_configuration()
    {
        await StartAsync(new(), 0);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode($"{root}/run/neo4j/conf/neo4j.conf"));
    }

    // The pod's folders are put below one of the test's own; nothing else of the script is changed.
    private async Task<string[]> StartAsync(Neo4jSettings settings, int ordinal)
    {
        var stack = new StackContext("compliance", "payments", "", Tier.Production, StackVersions.Newest, DeletionPolicy.Retain, new(), new());
        var cluster = new Neo4jCluster(stack, settings, Engines.Neo4j.QueryApi.QueryTransport.Plain);
        var plan = Neo4jPlan.Of(new EngineNames(stack, "neo4j"), settings);
        foreach (var (name, text) in Neo4jConfig.Render(plan))
            Write($"config/{name}", name.EndsWith(".sh", StringComparison.Ordinal) ? Moved(text) : text);
        foreach (var (name, text) in Neo4jConfig.Memory(plan, EngineObservation.None))
            Write($"memory/{name}", text);
        Write("secret/initial-password", "first-Password1");
        Directory.CreateDirectory($"{root}/run/neo4j");
        if (!File.Exists($"{root}/conf/neo4j.conf"))
            Write("conf/neo4j.conf", "");
        Program("neo4j", "");
        Program("neo4j-admin", $"cat \"${{3#@}}\" >{root}/argument-file\n");

        var container = cluster.Render(EngineObservation.None)[^1].Body["spec"]!["template"]!["spec"]!["containers"]![0]!;
        var start = new ProcessStartInfo("/bin/sh", [$"{root}/config/start-neo4j.sh"]) { UseShellExecute = false, RedirectStandardError = true };
        start.Environment.Clear();
        foreach (var variable in container["env"]!.AsArray().Where(variable => variable!["value"] is not null))
            start.Environment[(string)variable!["name"]!] = Moved((string)variable["value"]!);
        start.Environment["POD_NAME"] = $"payments-neo4j-{ordinal}";
        start.Environment["NEO4J_HOME"] = root;
        start.Environment["PATH"] = $"{root}/bin:/usr/bin:/bin";
        using var process = Process.Start(start)!;
        var errors = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), (process.ExitCode, errors));
        return await File.ReadAllLinesAsync($"{root}/run/neo4j/conf/neo4j.conf", TestContext.Current.CancellationToken);
    }

    private string Moved(string text)
    {
        foreach (var folder in new[] { "/config/", "/memory/", "/secret/", "/ldap/", "/data/", "/run/neo4j/" })
            text = text.Replace(folder, root + folder, StringComparison.Ordinal);
        return text;
    }

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(root, path))!);
        File.WriteAllText(Path.Combine(root, path), text);
    }

    private void Program(string name, string body)
    {
        Write($"bin/{name}", $"#!/bin/sh\necho \"$*\" >>{root}/{name}.calls\n{body}");
        File.SetUnixFileMode(Path.Combine(root, "bin", name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private string Call(string name) => File.ReadAllText(Path.Combine(root, $"{name}.calls")).TrimEnd();
}
