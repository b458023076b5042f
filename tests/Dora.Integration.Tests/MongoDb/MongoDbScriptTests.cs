using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.Json.Nodes;
using Dora.Engines;
using Dora.Engines.MongoDb;
using Dora.Testing;
using Dora.Testing.Http;
using Dora.Testing.MongoDb;
using Xunit;

namespace Dora.Integration.Tests.MongoDb;

/// <summary>
/// The scripts of the pods as they stand in the ConfigMap: those that speak by bytes against a scripted server, those that use
/// MongoDB's shell with one that keeps its server in a file.
/// </summary>
[SupportedOSPlatform("linux")]
public sealed class MongoDbScriptTests : IAsyncLifetime
{
    private const string Password = "admin-Jx3k9Qw7Lm2p";

    private readonly string _folder = Directory.CreateTempSubdirectory("dora-mongodb-").FullName;
    private readonly ScriptedReplicaSet _set = new();
    private readonly Dictionary<string, string> _variables = [];
    private readonly MongoDbPlan _plan = MongoDbServers.Of(new(Instances: 3));

    [Fact]
    public async Task Ready_is_a_primary_a_secondary_and_an_arbiter_and_nothing_else()
    {
        var (first, second, alone) = (_set.AddServer(_plan.Host("a-0")), _set.AddServer(_plan.Host("a-1")), _set.AddServer(_plan.Host("a-2")));
        _set.Initiate("admin", Password, first, second);
        Assert.Equal((0, 0, 1), (await ReadyAsync(first), await ReadyAsync(second), await ReadyAsync(alone)));
        second.Copying = true;
        first.Stop();
        Assert.Equal((1, 1), (await ReadyAsync(first), await ReadyAsync(second)));
    }

    [Fact]
    public async Task Ready_is_asked_by_TLS_where_the_pod_mounts_a_certificate_and_in_the_clear_where_it_does_not()
    {
        using var certificates = new TestCertificates();
        Render(MongoDbPlan.Of(new(Stack with { Tls = new() }, "mongodb"), new(Instances: 3)));
        var (first, second) = (_set.AddServer(_plan.Host("a-0")), _set.AddServer(_plan.Host("a-1")));
        _set.Initiate("admin", Password, first, second);
        Assert.Equal(0, await ReadyAsync(first));
        await File.WriteAllTextAsync(Path.Combine(_folder, "tls/ca.crt"), certificates.AuthorityPem, TestContext.Current.CancellationToken);
        Assert.Equal(1, await ReadyAsync(first));
        first.Certificate = second.Certificate = certificates.Server("payments-mongodb");
        Assert.Equal((0, 0), (await ReadyAsync(first), await ReadyAsync(second)));
        second.Copying = true;
        first.Stop();
        Assert.Equal((1, 1), (await ReadyAsync(first), await ReadyAsync(second)));
    }

    [Fact]
    public async Task The_shell_connects_by_TLS_where_the_pod_says_so()
    {
        Render(MongoDbPlan.Of(new(Stack with { Tls = new() }, "mongodb"), new(Instances: 3)));
        var first = _set.AddServer(_plan.Host("a-0"));
        _set.Initiate("admin", Password, first);
        Write(set: true, primary: "payments-mongodb-0", known: Password);
        Assert.Equal(0, (await RunAsync("stop-mongod.sh", "payments-mongodb-0", first.Address.ToString())).Code);
        Assert.DoesNotContain("tls", (string)State()["arguments"]![0]!, StringComparison.Ordinal);
        _variables["MONGODB_TLS"] = "&tls=true";
        Write(set: true, primary: "payments-mongodb-0", known: Password);
        Assert.Equal(0, (await RunAsync("stop-mongod.sh", "payments-mongodb-0", first.Address.ToString())).Code);
        Assert.Contains("&serverSelectionTimeoutMS=3000&tls=true ", (string)State()["arguments"]![0]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_member_founds_the_set_once_and_creates_the_administrator_once()
    {
        Assert.Equal([1, 1, 0], await RoundsAsync("payments-mongodb-0"));
        var state = State();
        Assert.Equal(["replSetInitiate", "createUser"], Done(state));
        Assert.Equal(
            [.. Enumerable.Range(0, 3).Select(ordinal => $"{ordinal} payments-mongodb-{ordinal}.payments-mongodb-members.compliance.svc:27017")],
            state["members"]!.AsArray().Select(member => $"{member!["_id"]} {member["host"]}"));
        Assert.Equal([0], await RoundsAsync("payments-mongodb-0"));
        Assert.Equal(["replSetInitiate", "createUser"], Done(State()));
    }

    [Fact]
    public async Task The_administrator_is_the_one_of_two_whom_the_Secret_names()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "secret/admin-username"), "admin.b\n", TestContext.Current.CancellationToken);
        Assert.Equal([1, 1, 0], await RoundsAsync("payments-mongodb-0"));
        Assert.Equal(Password, (string?)State()["users"]!["admin.b"]);
        Assert.Single(State()["users"]!.AsObject());
        var first = _set.AddServer(_plan.Host("a-0"));
        _set.Initiate("admin.b", Password, first);
        Assert.Equal(0, (await RunAsync("stop-mongod.sh", "payments-mongodb-0", first.Address.ToString())).Code);
        Assert.Equal("replSetStepDown", Done(State())[^1]);
    }

    [Fact]
    public async Task A_pod_of_an_older_stack_version_mounts_no_name_and_goes_on()
    {
        File.Delete(Path.Combine(_folder, "secret/admin-username"));
        Assert.Equal([1, 1, 0], await RoundsAsync("payments-mongodb-0"));
        Assert.Equal(Password, (string?)State()["users"]!["admin"]);
        var first = _set.AddServer(_plan.Host("a-0"));
        _set.Initiate("admin", Password, first);
        Assert.Equal(0, (await RunAsync("stop-mongod.sh", "payments-mongodb-0", first.Address.ToString())).Code);
        Assert.Equal("replSetStepDown", Done(State())[^1]);
    }

    [Fact]
    public async Task It_goes_on_from_wherever_it_was_when_it_ended()
    {
        Write(set: true, primary: null);
        Assert.Equal([1, 1, 0], await RoundsAsync("payments-mongodb-0"));
        Write(set: true, primary: "payments-mongodb-0");
        Assert.Equal([0], await RoundsAsync("payments-mongodb-0"));
        Assert.Equal(["createUser"], Done(State()));
    }

    [Fact]
    public async Task Where_there_was_data_nobody_founds_another_set()
    {
        Remember(new(new Api.EngineStatus("mongodb", Initialized: true)));
        var (code, output) = await BootstrapAsync("payments-mongodb-0");
        Assert.Equal(1, code);
        Assert.Contains("although the stack held data", output, StringComparison.Ordinal);
        Assert.Empty(Done(State()));
    }

    [Fact]
    public async Task While_a_member_cannot_be_reached_the_set_is_not_founded()
    {
        Write(reachable: 2);
        var (code, output) = await BootstrapAsync("payments-mongodb-0");
        Assert.Equal((1, true), (code, output.Contains("not yet: NodeNotFound", StringComparison.Ordinal)));
        Write();
        Assert.Equal([1, 1, 0], await RoundsAsync("payments-mongodb-0"));
    }

    [Fact]
    public async Task Other_members_never_found_a_set_and_create_the_administrator_when_they_are_primary()
    {
        Assert.Equal(1, (await BootstrapAsync("payments-mongodb-1")).Code);
        Assert.Empty(Done(State()));
        Write(set: true, primary: "payments-mongodb-1");
        Assert.Equal(1, (await BootstrapAsync("payments-mongodb-0")).Code);
        Assert.Equal([0], await RoundsAsync("payments-mongodb-1"));
        Assert.Equal(["createUser"], Done(State()));
        Assert.Equal([0], await RoundsAsync("payments-mongodb-0"));
    }

    [Fact]
    public async Task The_password_stands_in_no_argument_and_in_no_log()
    {
        // The server's own message holds it here, as a real one's might.
        Write(set: true, primary: "payments-mongodb-0", known: "another");
        var (code, output) = await BootstrapAsync("payments-mongodb-0");
        Assert.Equal(1, code);
        Assert.DoesNotContain(Password, output, StringComparison.Ordinal);
        Assert.DoesNotContain(State()["arguments"]!.AsArray(), arguments => ((string)arguments!).Contains(Password, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_container_stays_when_all_is_done()
    {
        Write(set: true, primary: "payments-mongodb-0");
        var cancel = TestContext.Current.CancellationToken;
        var start = new ProcessStartInfo("/bin/bash", [Config("bootstrap.sh")]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in Environment("payments-mongodb-0", "127.0.0.1"))
            start.Environment[name] = value;
        using var container = Process.Start(start)!;
        var children = $"/proc/{container.Id}/task/{container.Id}/children";
        await ChildProcess.UntilAsync(() => Task.FromResult(ProgramsOf(children)), programs => programs.Contains("sleep"), TimeSpan.FromSeconds(20), cancel);
        Assert.Equal(["createUser"], Done(State()));
        using var kill = Process.Start("kill", [$"{container.Id}"]);
        await container.WaitForExitAsync(cancel);
        Assert.Equal(143, container.ExitCode);
        // Nothing of it is left that would hold on to its output.
        Assert.Contains("created the administrator", await container.StandardError.ReadToEndAsync(cancel), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, false, "replSetStepDown")]
    [InlineData(true, true, null)]
    [InlineData(false, false, null)]
    public async Task A_primary_steps_down_before_it_stops_and_stops_even_if_it_cannot(bool primary, bool stubborn, string? said)
    {
        var (first, second) = (_set.AddServer(_plan.Host("a-0")), _set.AddServer(_plan.Host("a-1")));
        _set.Initiate("admin", Password, first, second);
        Write(set: true, primary: "payments-mongodb-0", known: Password, stubborn: stubborn);
        Assert.Equal(0, (await RunAsync("stop-mongod.sh", "payments-mongodb-0", (primary ? first : second).Address.ToString())).Code);
        Assert.Equal(said is null ? [] : [said], Done(State()));
        Assert.Equal(primary ? 1 : 0, State()["arguments"]!.AsArray().Count);
    }

    [Fact]
    public async Task The_server_starts_when_its_name_leads_to_it_with_a_keyfile_of_its_own()
    {
        await File.WriteAllTextAsync(Path.Combine(_folder, "bin/mongod"), "#!/bin/sh\necho \"$@\"; stat -c %a \"$KEYFILE\"; cat \"$KEYFILE\"\n", TestContext.Current.CancellationToken);
        // The name leads to the pod before at first.
        await File.WriteAllTextAsync(Path.Combine(_folder, "bin/getent"), "#!/bin/sh\n[ -e \"$STATE.asked\" ] && echo '10.0.0.7 STREAM' || echo '10.0.0.70 STREAM'\necho \"$2\" >\"$STATE.asked\"\n", TestContext.Current.CancellationToken);
        foreach (var program in (string[])["mongod", "getent"])
            File.SetUnixFileMode(Path.Combine(_folder, "bin", program), UnixFileMode.UserExecute | UnixFileMode.UserRead);
        for (var start = 0; start < 2; start++)
        {
            var (code, output) = await RunAsync("start-mongod.sh", "payments-mongodb-0", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25");
            Assert.Equal(0, code);
            Assert.Equal($"--config {_folder}/config/mongod.conf --wiredTigerCacheSizeGB 0.25\n400\nkey-material", output);
        }

        Assert.Equal("payments-mongodb-0.payments-mongodb-members.compliance.svc\n", await File.ReadAllTextAsync(Path.Combine(_folder, "state.asked"), TestContext.Current.CancellationToken));
    }

    public ValueTask InitializeAsync()
    {
        foreach (var name in (string[])["config", "secret", "memory", "bin", "run/mongodb", "data", "tls"])
            Directory.CreateDirectory(Path.Combine(_folder, name));
        Render(_plan);
        File.WriteAllText(Path.Combine(_folder, "secret/admin-password"), Password);
        File.WriteAllText(Path.Combine(_folder, "secret/admin-username"), "admin");
        File.WriteAllText(Path.Combine(_folder, "secret/keyfile"), "key-material");
        File.Copy(Path.Combine(GoldenFile.RepositoryRoot, "tests/Dora.Integration.Tests/MongoDb/mongosh.js"), Path.Combine(_folder, "bin/mongosh"));
        File.SetUnixFileMode(Path.Combine(_folder, "bin/mongosh"), UnixFileMode.UserExecute | UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Remember(EngineObservation.None);
        Write();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _set.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    // Paths of the pod become paths of the test.
    private void Render(MongoDbPlan plan)
    {
        foreach (var (name, text) in MongoDbConfig.Render(plan))
            File.WriteAllText(Config(name), ((string[])["/secret/", "/memory/", "/run/mongodb/", "/data/db", "/config/", "/tls/"]).Aggregate(text, (file, path) => file.Replace(path, $"{_folder}{path}", StringComparison.Ordinal)));
    }

    private void Remember(EngineObservation observed)
    {
        foreach (var (name, text) in MongoDbConfig.Memory(_plan, observed))
            File.WriteAllText(Path.Combine(_folder, "memory", name), text);
    }

    private void Write(bool set = false, string? primary = null, int reachable = 3, string? known = null, bool stubborn = false)
    {
        var hosts = Enumerable.Range(0, reachable).Select(ordinal => (JsonNode?)_plan.Host($"payments-mongodb-{ordinal}"));
        File.WriteAllText(Path.Combine(_folder, "state"), new JsonObject
        {
            ["set"] = set ? "rs0" : null,
            ["primary"] = primary,
            ["winner"] = "payments-mongodb-0",
            ["rounds"] = 0,
            ["users"] = known is null ? [] : new JsonObject { ["admin"] = known },
            ["reachable"] = new JsonArray([.. hosts]),
            ["stubborn"] = stubborn,
            ["done"] = new JsonArray(),
            ["arguments"] = new JsonArray(),
        }.ToJsonString());
    }

    private JsonObject State() => JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "state")))!.AsObject();

    private static List<string> ProgramsOf(string children)
    {
        try
        {
            return [.. File.ReadAllText(children).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(child => File.ReadAllText($"/proc/{child}/comm").Trim())];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static List<string> Done(JsonObject state) => [.. state["done"]!.AsArray().Select(name => (string)name!)];

    private string Config(string name) => Path.Combine(_folder, "config", name);

    private async Task<int> ReadyAsync(ScriptedMongod server) => (await RunAsync("ready.sh", "payments-mongodb-0", server.Address.ToString())).Code;

    private async Task<List<int>> RoundsAsync(string pod)
    {
        var codes = new List<int>();
        while (codes.Count < 5 && !codes.Contains(0))
            codes.Add((await BootstrapAsync(pod)).Code);
        return codes;
    }

    private Task<(int Code, string Output)> BootstrapAsync(string pod) => RunAsync(Path.Combine(_folder, "bin/mongosh"), Environment(pod, "127.0.0.1"), Config("bootstrap.js"));

    private async Task<(int Code, string Output)> RunAsync(string script, string pod, string address, params string[] arguments)
    {
        // A pod has its loopback address for itself; here the servers share a machine.
        var text = File.ReadAllText(Config("hello.sh"));
        File.WriteAllText(Config("hello.sh"), text.Replace("127.0.0.1", address, StringComparison.Ordinal));
        try
        {
            return await RunAsync("/bin/bash", Environment(pod, address), [Config(script), .. arguments]);
        }
        finally
        {
            File.WriteAllText(Config("hello.sh"), text);
        }
    }

    private static StackContext Stack => MongoDbServers.Plan.Names.Stack;

    private Dictionary<string, string> Environment(string pod, string address) => new(_variables)
    {
        ["PATH"] = $"{_folder}/bin:/usr/local/bin:/usr/bin:/bin",
        ["POD_NAME"] = pod,
        ["POD_IP"] = "10.0.0.7",
        ["DOMAIN"] = "payments-mongodb-members.compliance.svc",
        ["MONGODB_PORT"] = "27017",
        ["REPLICA_SET"] = "rs0",
        ["STATE"] = Path.Combine(_folder, "state"),
        ["KEYFILE"] = Path.Combine(_folder, "run/mongodb/keyfile"),
        ["ADDRESS"] = address,
    };

    private static async Task<(int Code, string Output)> RunAsync(string program, Dictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, string.Concat(output));
    }
}
