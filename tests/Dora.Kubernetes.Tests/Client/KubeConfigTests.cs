using System.Text;
using Dora.Kubernetes.Client;
using Dora.Testing;
using Dora.Testing.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class KubeConfigTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("kubeconfig").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private static string Base64(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));

    private static Func<string, string?> Variables(params (string Key, string Value)[] variables) =>
        key => variables.FirstOrDefault(pair => pair.Key == key).Value;

    [Fact]
    public void A_kubeconfig_gives_server_trust_and_credentials()
    {
        Write("ca.pem", "CA");
        var path = Write("config", $"""
            apiVersion: v1
            current-context: main
            contexts:
            - name: other
              context: {"{cluster: c2, user: u2}"}
            - name: main
              context:
                cluster: c1
                user: u1
                namespace: compliance
            clusters:
            - name: c1
              cluster:
                server: https://10.0.0.1:6443
                certificate-authority: ca.pem
                tls-server-name: kubernetes.default
                proxy-url: http://proxy:3128
            - name: c2
              cluster:
                server: https://two:6443/prefix
                insecure-skip-tls-verify: true
            users:
            - name: u1
              user:
                client-certificate-data: {Base64("CERT")}
                client-key-data: {Base64("KEY")}
            - name: u2
              user:
                tokenFile: secrets/token
            """);
        var config = KubeConfig.Load(path);
        Assert.Equal(new Uri("https://10.0.0.1:6443"), config.Server);
        Assert.Equal(("compliance", "CA", "kubernetes.default"), (config.Namespace, config.CertificateAuthorityPem, config.TlsServerName));
        Assert.Equal(new Uri("http://proxy:3128"), config.Proxy);
        Assert.Equal(("CERT", "KEY"), (config.Credentials!.ClientCertificatePem, config.Credentials.ClientKeyPem));

        var other = KubeConfig.Load(path, "other");
        Assert.True(other.InsecureSkipTlsVerify);
        Assert.Equal(Path.Combine(_folder, "secrets/token"), other.Credentials!.TokenFile);
    }

    [Fact]
    public void Of_several_files_the_first_to_name_a_thing_wins()
    {
        var first = Write("a", "current-context: x\nusers: [{name: u, user: {token: first}}]\n");
        var second = Write("b", "current-context: y\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://h:1'}}]\nusers: [{name: u, user: {token: second}}]\n");
        var config = KubeConfig.Load(environment: Variables(("KUBECONFIG", $"{first}:{_folder}/absent:{second}")));
        Assert.Equal("first", config.Credentials!.Token);
        Assert.Equal(new Uri("https://h:1"), config.Server);
    }

    [Fact]
    public void A_kubeconfig_in_the_home_folder_is_found()
    {
        Directory.CreateDirectory(Path.Combine(_folder, ".kube"));
        Write(".kube/config", """{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],"clusters":[{"name":"c","cluster":{"server":"http://h:1"}}]}""");
        var config = KubeConfig.Load(environment: Variables(("HOME", _folder)));
        Assert.Equal(new Uri("http://h:1"), config.Server);
        Assert.Null(config.Credentials);
    }

    [Theory]
    [InlineData("10.0.0.1", "https://10.0.0.1:6443/")]
    [InlineData("fd00::1", "https://[fd00::1]:6443/")]
    [InlineData("kubernetes.default", "https://kubernetes.default:6443/")]
    public void In_a_pod_the_address_comes_from_the_environment(string host, string expected)
    {
        Write("token", "t\n");
        Write("ca.crt", "CA");
        Write("namespace", "compliance\n");
        var config = KubeConfig.InCluster(_folder, Variables(("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", "6443")));
        Assert.Equal(expected, config.Server.ToString());
        Assert.Equal(("compliance", "CA", Path.Combine(_folder, "token")), (config.Namespace, config.CertificateAuthorityPem, config.Credentials!.TokenFile));
    }

    [Theory]
    [InlineData("a: [", "not YAML")]
    [InlineData("", "not a kubeconfig")]
    [InlineData("contexts: []", "no current-context")]
    [InlineData("current-context: x", "No context named 'x'")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]", "No cluster named 'c'")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {}}]", "no server")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'not an address'}}]", "not an address")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://h', certificate-authority-data: '?'}}]", "not base64")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'https://h', certificate-authority: gone.pem}}]", "Cannot read")]
    [InlineData("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: {server: 'https://h'}}]", "No user named 'u'")]
    public void A_bad_kubeconfig_says_what_is_wrong(string text, string expected)
    {
        var fault = Assert.Throws<KubeConfigException>(() => KubeConfig.Load(Write("config", text)));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nowhere_to_go_says_what_to_set()
    {
        var fault = Assert.Throws<KubeConfigException>(() => KubeConfig.Load(environment: Variables(("HOME", _folder))));
        Assert.Contains("KUBECONFIG", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_form_holds_a_secret()
    {
        var config = new KubeConfig(new("https://h"), Credentials: new(
            ClientKeyPem: "hunter2", Token: "hunter2", Password: "hunter2", Exec: new("v1", "login", ["--password=hunter2"], new Dictionary<string, string> { ["P"] = "hunter2" })));
        Assert.DoesNotContain("hunter2", config.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", config.Credentials!.Exec!.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_file_is_read_again_after_a_minute()
    {
        var clock = new ManualClock();
        var token = Write("token", "one\n");
        await using var scripted = await ScriptedClient.StartAsync(address => new(address, Credentials: new(TokenFile: token)), clock);
        scripted.Server.On("GET /version", [.. Enumerable.Repeat(Reply.Json("{}"), 3)]);
        await scripted.Client.GetVersionAsync(default);
        Write("token", "two\n");
        clock.Advance(TimeSpan.FromSeconds(59));
        await scripted.Client.GetVersionAsync(default);
        clock.Advance(TimeSpan.FromSeconds(1));
        await scripted.Client.GetVersionAsync(default);
        Assert.Equal(["Bearer one", "Bearer one", "Bearer two"], scripted.Server.Requests.Select(request => request.Headers["Authorization"]));
    }

    [Fact]
    public async Task A_refused_token_is_read_again_at_once_but_only_once()
    {
        var token = Write("token", "old");
        await using var scripted = await ScriptedClient.StartAsync(address => new(address, Credentials: new(TokenFile: token)));
        var refused = Reply.Status(401, "Unauthorized", "expired");
        scripted.Server.On("GET /version", Reply.Json("{}"), refused, Reply.Json("{}"), refused, refused);
        await scripted.Client.GetVersionAsync(default);
        Write("token", "new");
        await scripted.Client.GetVersionAsync(default);
        Assert.Equal("Bearer new", scripted.Server.Requests[2].Headers["Authorization"]);
        await Assert.ThrowsAsync<KubeUnauthorizedException>(() => scripted.Client.GetVersionAsync(default));
        Assert.Equal(5, scripted.Server.Requests.Count);
    }

    [Fact]
    public async Task A_token_file_that_vanishes_leaves_the_last_token_in_use()
    {
        var clock = new ManualClock();
        var token = Write("token", "kept");
        await using var scripted = await ScriptedClient.StartAsync(address => new(address, Credentials: new(TokenFile: token)), clock);
        scripted.Server.On("GET /version", Reply.Json("{}"), Reply.Json("{}"));
        await scripted.Client.GetVersionAsync(default);
        File.Delete(token);
        clock.Advance(TimeSpan.FromMinutes(2));
        await scripted.Client.GetVersionAsync(default);
        Assert.Equal("Bearer kept", scripted.Server.Requests[1].Headers["Authorization"]);
    }

    [Fact]
    public async Task A_static_token_or_password_is_sent()
    {
        await using var token = await ScriptedClient.StartAsync(address => new(address, Credentials: new(Token: "t")));
        token.Server.On("GET /version", Reply.Json("{}"));
        await token.Client.GetVersionAsync(default);
        Assert.Equal("Bearer t", token.Server.Requests[0].Headers["Authorization"]);
        await using var basic = await ScriptedClient.StartAsync(address => new(address, Credentials: new(Username: "u", Password: "p")));
        basic.Server.On("GET /version", Reply.Json("{}"));
        await basic.Client.GetVersionAsync(default);
        Assert.Equal("Basic dTpw", basic.Server.Requests[0].Headers["Authorization"]);
    }

    [Fact]
    public async Task A_credential_plugin_runs_once_until_its_token_ends()
    {
        var clock = new ManualClock();
        var script = Script($$$"""
            echo "$1|$GREETING|$KUBERNETES_EXEC_INFO" >> {{{_folder}}}/runs
            n=$(wc -l < {{{_folder}}}/runs)
            echo '{"kind":"ExecCredential","status":{"token":"t'$n'","expirationTimestamp":"{{{clock.GetUtcNow().AddMinutes(10):yyyy-MM-ddTHH:mm:ssZ}}}"}}'
            """, "two words; $(false)");
        var exec = script with { Env = new Dictionary<string, string> { ["GREETING"] = "hello" }, ProvideClusterInfo = true };
        await using var scripted = await ScriptedClient.StartAsync(address => new(address, Credentials: new(Exec: exec)), clock);
        scripted.Server.On("GET /version", [.. Enumerable.Repeat(Reply.Json("{}"), 3)]);
        await scripted.Client.GetVersionAsync(default);
        await scripted.Client.GetVersionAsync(default);
        clock.Advance(TimeSpan.FromMinutes(10));
        await scripted.Client.GetVersionAsync(default);
        Assert.Equal(["Bearer t1", "Bearer t1", "Bearer t2"], scripted.Server.Requests.Select(request => request.Headers["Authorization"]));
        var run = File.ReadAllLines(Path.Combine(_folder, "runs"))[0];
        Assert.StartsWith("two words; $(false)|hello|{", run, StringComparison.Ordinal);
        Assert.Contains($"\"server\":\"{scripted.Server.Address}", run, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("echo trouble >&2; exit 3", "ended with code 3: trouble")]
    [InlineData("echo not json with hunter2", "no valid ExecCredential")]
    [InlineData("echo '{}'", "neither status.token")]
    public async Task A_failing_credential_plugin_says_why_and_quotes_no_output(string body, string expected)
    {
        var config = new KubeConfig(new("http://127.0.0.1:9"), Credentials: new(Exec: Script(body)));
        using var client = ScriptedClient.Connect(config);
        var fault = await Assert.ThrowsAsync<KubeConfigException>(() => client.GetVersionAsync(default));
        Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_credential_plugin_gives_its_install_hint()
    {
        var config = new KubeConfig(new("http://127.0.0.1:9"), Credentials: new(Exec: new("v1", Path.Combine(_folder, "absent"), InstallHint: "Install it from there.")));
        using var client = ScriptedClient.Connect(config);
        var fault = await Assert.ThrowsAsync<KubeConfigException>(() => client.GetVersionAsync(default));
        Assert.EndsWith("Install it from there.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_credential_plugin_that_hangs_is_ended()
    {
        var clock = new ManualClock();
        var config = new KubeConfig(new("http://127.0.0.1:9"), Credentials: new(Exec: Script("exec sleep 1000")));
        using var client = ScriptedClient.Connect(config, clock, new(Timeout: TimeSpan.FromMinutes(2)));
        var call = client.GetVersionAsync(default);
        await clock.TimerWithinAsync(TimeSpan.FromSeconds(60));
        clock.Advance(TimeSpan.FromSeconds(60));
        var fault = await Assert.ThrowsAsync<KubeConfigException>(() => call);
        Assert.Contains("did not end within 60 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_without_its_key_is_refused_early()
    {
        using var certificates = new TestCertificates();
        var (certificate, _) = certificates.Client("a");
        var (_, foreign) = certificates.Client("b");
        foreach (var key in new[] { null, foreign, "nonsense" })
        {
            var config = new KubeConfig(new("https://h"), Credentials: new(ClientCertificatePem: certificate, ClientKeyPem: key));
            Assert.Throws<KubeConfigException>(() => new KubeClient(config, new(), TimeProvider.System, NullLogger<KubeClient>.Instance));
        }
    }

    /// <summary>A plugin that is a shell script with these arguments.</summary>
    private ExecPlugin Script(string body, params string[] args) =>
        new("client.authentication.k8s.io/v1", "/bin/sh", [Write("plugin", body), .. args]);
}
