using System.Text;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.ApiServer;

/// <summary>
/// A real kube-apiserver with etcd and garbage collection: the one of <c>DORA_TEST_KUBECONFIG</c>, else one of its own, started
/// with <c>hack/apiserver.sh</c> and stopped after the tests. Beside the kubeconfig lie <c>limited.kubeconfig</c>, of
/// someone without rights, and <c>ports/etcd</c>, for compaction.
/// </summary>
public sealed class RealServer : IApiServerUnderTest, IAsyncLifetime
{
    private static readonly string Script = Environment.GetEnvironmentVariable("DORA_APISERVER_SCRIPT") ?? Path.Combine(GoldenFile.RepositoryRoot, "hack", "apiserver.sh");

    private string? ownFolder;
    private HttpClient? http;
    private HttpClient? withoutRights;
    private HttpClient? unknown;
    private Uri? etcd;

    /// <summary>The path of the administrator's kubeconfig.</summary>
    public string Kubeconfig { get; private set; } = "";

    public HttpClient Http => http!;

    public HttpClient WithoutRights => withoutRights!;

    public HttpClient Unknown => unknown!;

    public async ValueTask InitializeAsync()
    {
        if (Environment.GetEnvironmentVariable("DORA_TEST_KUBECONFIG") is { Length: > 0 } given)
        {
            Kubeconfig = given;
        }
        else
        {
            ownFolder = Path.Combine(Path.GetTempPath(), $"dora-apiserver-{Environment.ProcessId}");
            await HackScript.RunAsync(Script, "up", "--dir", ownFolder, "--with-controller-manager");
            Kubeconfig = Path.Combine(ownFolder, "kubeconfig");
        }

        var folder = Path.GetDirectoryName(Kubeconfig)!;
        http = KubeconfigHttp.ClientOf(KubeYaml.Read(await File.ReadAllTextAsync(Kubeconfig))!);
        var limited = KubeYaml.Read(await File.ReadAllTextAsync(Path.Combine(folder, "limited.kubeconfig")))!;
        withoutRights = KubeconfigHttp.ClientOf(limited);
        limited["users"]![0]!["user"]!["token"] = "nonsense";
        unknown = KubeconfigHttp.ClientOf(limited);
        var port = await File.ReadAllTextAsync(Path.Combine(folder, "ports", "etcd"));
        etcd = new Uri($"http://127.0.0.1:{port.Trim()}");
    }

    public async Task CompactAsync()
    {
        using var client = new HttpClient { BaseAddress = etcd };
        var range = await PostAsync(client, "/v3/kv/range", new JsonObject { ["key"] = Convert.ToBase64String("/"u8) });
        var revision = (string)range["header"]!["revision"]!;
        await PostAsync(client, "/v3/kv/compaction", new JsonObject { ["revision"] = revision });
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in new[] { http, withoutRights, unknown })
            client?.Dispose();
        if (ownFolder is not null)
            await HackScript.RunAsync(Script, "down", "--dir", ownFolder);
    }

    private static async Task<JsonNode> PostAsync(HttpClient client, string path, JsonObject body)
    {
        using var content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await client.PostAsync(new Uri(path, UriKind.Relative), content);
        return JsonNode.Parse(await response.EnsureSuccessStatusCode().Content.ReadAsStringAsync())!;
    }
}
