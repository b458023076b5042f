using System.Diagnostics;
using System.Globalization;
using Dora.Api;
using Dora.Engines.InfluxDb;
using Dora.Engines.Rendering;
using Dora.Testing.InfluxDb;
using Xunit;

namespace Dora.Integration.Tests.InfluxDb;

/// <summary>
/// The script that sets a 2.x server up in its init container. In place of <c>influxd</c> stands a program that makes the file which
/// the real one makes, while a scripted server answers on its address.
/// </summary>
public sealed class Influx2BootstrapTests : IAsyncLifetime
{
    private const string Password = "admin-Jx3k9Qw7Lm2p";
    private const string AdminToken = "admin-token-Wq8n5Rb2Ty7u";

    private static int _tests;

    private readonly string folder = Path.Combine(Path.GetTempPath(), string.Create(CultureInfo.InvariantCulture, $"dora-influxdb2-{System.Environment.ProcessId}-{Interlocked.Increment(ref _tests)}"));
    private readonly string address = string.Create(CultureInfo.InvariantCulture, $"127.{1 + (System.Environment.ProcessId % 250)}.89.{_tests}");
    private InfluxDb2Server server = null!;

    private string Data => Path.Combine(folder, "data");

    public async ValueTask InitializeAsync()
    {
        foreach (var name in (string[])["data", "secret", "memory", "bin", "config"])
            Directory.CreateDirectory(Path.Combine(folder, name));
        Write("secret/admin-password", Password);
        Write("secret/admin-token", AdminToken);
        Write("secret/admin-username", "admin");
        Write("memory/initialized", "false");
        Write("bin/influxd", "#!/bin/sh\necho \"influxd $* $INFLUXD_HTTP_BIND_ADDRESS no-tasks=$INFLUXD_NO_TASKS\" >>\"$DATA/../started\"\ntouch \"$DATA/influxd.bolt\"\necho x >\"$DATA/influxd.bolt\"\nexec sleep 60\n");
        await HackScript.RunAsync("chmod", "0755", Path.Combine(folder, "bin/influxd"));
        var plan = InfluxDbPlan.Of(new EngineNames(new("compliance", "payments", "", Tier.Development, StackVersions.Newest, DeletionPolicy.Retain, new(), new()), "influxdb"), new());
        // The pod's volumes and its loopback address, as they are here.
        foreach (var (name, text) in InfluxDbConfig.Render(plan))
            Write($"config/{name}", text.Replace(" /secret/", $" {folder}/secret/", StringComparison.Ordinal).Replace(" /memory/", $" {folder}/memory/", StringComparison.Ordinal).Replace("127.0.0.1", address, StringComparison.Ordinal));
        server = await InfluxDb2Server.StartAsync(address, InfluxDbPlan.HttpPort);
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_new_volume_is_set_up_with_the_administrator_whom_the_Secret_names()
    {
        Write("secret/admin-username", "admin.b");
        var (code, output) = await RunAsync("bootstrap.sh");
        Assert.True(code == 0, output);
        Assert.Equal("admin.b", (string?)Assert.Single(server.Store.Of("users"))["name"]);
    }

    [Fact]
    public async Task A_new_volume_is_set_up_with_the_Secrets_token_and_only_once()
    {
        var (code, output) = await RunAsync("bootstrap.sh");
        Assert.True(code == 0, output);
        Assert.Equal(AdminToken, (string?)Assert.Single(server.Store.Of("authorizations"))["token"]);
        Assert.Equal(("dora", "app"), ((string?)server.Store.Of("orgs")[0]["name"], (string?)server.Store.Of("buckets")[0]["name"]));
        Assert.Equal($"influxd run {address}:8086 no-tasks=true\n", await File.ReadAllTextAsync(Path.Combine(folder, "started"), TestContext.Current.CancellationToken));
        var calls = server.Log.Count;
        Assert.Equal(0, (await RunAsync("bootstrap.sh")).Code);
        Assert.Equal(calls, server.Log.Count);
        Assert.Equal((0, 0), ((await RunAsync("ready.sh")).Code, (await RunAsync("alive.sh")).Code));
    }

    [Fact]
    public async Task A_setup_that_was_interrupted_is_finished()
    {
        Write("data/influxd.bolt", "begun");
        var (code, output) = await RunAsync("bootstrap.sh");
        Assert.True(code == 0, output);
        Assert.True(server.Store.IsSetUp);
    }

    [Fact]
    public async Task A_volume_of_another_Secret_is_refused_and_no_secret_is_shown()
    {
        Assert.Equal(0, (await RunAsync("bootstrap.sh")).Code);
        File.Delete(Path.Combine(Data, ".set-up"));
        Write("secret/admin-token", "another-token-Zz9");
        var (code, output) = await RunAsync("bootstrap.sh");
        Assert.Equal(1, code);
        Assert.Contains("HTTP status 401; Secret payments-influxdb-internal does not belong to this volume", output, StringComparison.Ordinal);
        foreach (var secret in (string[])[Password, AdminToken, "another-token-Zz9"])
            Assert.DoesNotContain(secret, output, StringComparison.Ordinal);
        Assert.Equal((22, 0), ((await RunAsync("ready.sh")).Code, (await RunAsync("alive.sh")).Code));
    }

    [Fact]
    public async Task A_password_that_the_server_refuses_ends_the_setup()
    {
        Write("secret/admin-password", "short");
        var (code, output) = await RunAsync("bootstrap.sh");
        Assert.Equal(1, code);
        Assert.Contains("setup was refused with HTTP status 400", output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Data, ".set-up")));
    }

    [Theory]
    [InlineData("payments-influxdb-0", 1)]
    [InlineData("payments-influxdb-1", 0)]
    public async Task An_empty_volume_of_the_first_server_is_a_loss_and_of_the_second_a_beginning(string pod, int expected)
    {
        Write("memory/initialized", "true");
        var (code, output) = await RunAsync("bootstrap.sh", pod);
        Assert.True(code == expected, output);
        Assert.Equal(expected == 1, output.Contains("refusing to serve an empty store", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_an_answer_nothing_is_ready_or_alive()
    {
        await server.DisposeAsync();
        Assert.NotEqual(0, (await RunAsync("ready.sh")).Code);
        Assert.NotEqual(0, (await RunAsync("alive.sh")).Code);
        server = await InfluxDb2Server.StartAsync(address, InfluxDbPlan.HttpPort);
    }

    private async Task<(int Code, string Output)> RunAsync(string script, string pod = "payments-influxdb-0")
    {
        var start = new ProcessStartInfo("/bin/sh", [Path.Combine(folder, "config", script)]) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment.Clear();
        foreach (var (name, value) in new Dictionary<string, string> { ["PATH"] = $"{folder}/bin:/usr/bin:/bin", ["DATA"] = Data, ["HTTP_PORT"] = "8086", ["POD_NAME"] = pod, ["SECRET_NAME"] = "payments-influxdb-internal", ["ORGANIZATION"] = "dora", ["BUCKET"] = "app" })
            start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await errors);
    }

    private void Write(string file, string text) => File.WriteAllText(Path.Combine(folder, file), text);
}
