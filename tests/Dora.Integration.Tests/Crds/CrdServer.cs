using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.Crds;

/// <summary>
/// Today's API machinery, which knows CEL, with the generated CRDs in it: the one of <c>DORA_TEST_CRD_KUBECONFIG</c>, else one of its
/// own, started with <c>hack/crd-server.sh</c> and stopped after the tests.
/// </summary>
public sealed class CrdServer : IAsyncLifetime
{
    private const string Definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

    private static readonly string Script = Path.Combine(GoldenFile.RepositoryRoot, "hack", "crd-server.sh");

    private string? ownFolder;
    private HttpClient? http;

    public RawClient Api { get; private set; } = null!;

    /// <summary>Where <c>hack/crd-server.sh</c> keeps its state.</summary>
    public string Folder { get; private set; } = "";

    /// <summary>What the server answered to each CRD file, by file name.</summary>
    public Dictionary<string, ApiAnswer> Installed { get; } = [];

    /// <summary>The generated files.</summary>
    public static IReadOnlyList<string> Files { get; } = [.. Directory.GetFiles(Path.Combine(GoldenFile.RepositoryRoot, "crds"), "*.yaml").Order(StringComparer.Ordinal)];

    public static JsonObject Read(string file) => KubeYaml.Read(File.ReadAllText(file))!.AsObject();

    public async ValueTask InitializeAsync()
    {
        var kubeconfig = Environment.GetEnvironmentVariable("DORA_TEST_CRD_KUBECONFIG");
        if (string.IsNullOrEmpty(kubeconfig))
        {
            ownFolder = Path.Combine(Path.GetTempPath(), $"dora-crd-server-{Environment.ProcessId}");
            await HackScript.RunAsync(Script, "up", "--dir", ownFolder);
            kubeconfig = Path.Combine(ownFolder, "crd-server.kubeconfig");
        }

        Folder = Path.GetDirectoryName(kubeconfig)!;
        http = KubeconfigHttp.ClientOf(KubeYaml.Read(await File.ReadAllTextAsync(kubeconfig))!);
        Api = new(http);
        foreach (var file in Files)
            Installed[Path.GetFileName(file)] = await InstallAsync(file);
    }

    public async ValueTask DisposeAsync()
    {
        http?.Dispose();
        if (ownFolder is not null)
            await HackScript.RunAsync(Script, "down", "--dir", ownFolder);
    }

    /// <summary>The conditions of a CRD, once it is established or refused.</summary>
    public async Task<IReadOnlyDictionary<string, JsonNode>> ConditionsAsync(string name)
    {
        using var watch = await Api.Watch($"{Definitions}?watch=true&resourceVersion=0&fieldSelector=metadata.name%3D{name}");
        while (true)
        {
            var frame = await watch.NextChange();
            Assert.True(frame.Type != "ERROR", $"the watch answers {frame.Object.ToJsonString()}");
            var conditions = (frame.Object["status"]?["conditions"] as JsonArray ?? []).ToDictionary(condition => (string)condition!["type"]!, condition => condition!);
            if (conditions.TryGetValue("Established", out var established) && (string?)established["status"] == "True")
                return conditions;
            if (conditions.TryGetValue("NamesAccepted", out var names) && (string?)names["status"] == "False")
                return conditions;
        }
    }

    private async Task<ApiAnswer> InstallAsync(string file)
    {
        var definition = Read(file);
        var name = (string)definition["metadata"]!["name"]!;
        var answer = await Api.Send(HttpMethod.Post, Definitions, await File.ReadAllTextAsync(file), "application/yaml");
        if (answer.Code == 409)
        {
            definition["metadata"]!["resourceVersion"] = (await Api.Get($"{Definitions}/{name}")).Version;
            answer = await Api.Put($"{Definitions}/{name}", definition);
        }

        if (answer.Code < 300)
            await ConditionsAsync(name);
        return answer;
    }
}

/// <summary>Tests that share one <see cref="CrdServer"/>.</summary>
[CollectionDefinition("crd-server")]
public sealed class CrdServerTests : ICollectionFixture<CrdServer>;
