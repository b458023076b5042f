using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Backup.Store;
using Dora.Integration.Tests.Backups;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>A real object store beside the cluster, and stacks that back up into it.</summary>
internal sealed class BackupWorld(Cluster cluster) : IAsyncDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private ObjectStoreServer? _store;
    private readonly string _service = $"store-{Guid.NewGuid():N}"[..12];

    /// <summary>The bucket, of no versions.</summary>
    public string Bucket { get; private set; } = "";

    /// <summary>The store.</summary>
    public ObjectStoreServer Store => _store!;

    private string _endpoint = "";

    /// <summary>Names of the objects that begin so.</summary>
    public async Task<IReadOnlyList<string>> NamesAsync(string folder)
    {
        using var client = Store.Client();
        var answer = await client.ListObjectsV2Async(new() { BucketName = Bucket, Prefix = folder }, TestContext.Current.CancellationToken);
        return [.. (answer.S3Objects ?? []).Select(found => found.Key)];
    }

    public static async Task<BackupWorld> BesideAsync(Cluster cluster)
    {
        var world = new BackupWorld(cluster);
        await world.InitializeAsync();
        return world;
    }

    private async Task InitializeAsync()
    {
        var (address, host) = (await cluster.NodeAddressAsync(), $"{_service}.{cluster.Namespace}.svc");
        _store = new(address, host);
        await _store.InitializeAsync();
        Bucket = await _store.BucketAsync();
        // A Service without pods leads out of the cluster: certificates are known by names.
        var port = _store.Endpoint.Port;
        await CreateAsync(KubeTypes.Services.Resource, new() { ["spec"] = new JsonObject { ["ports"] = new JsonArray(new JsonObject { ["port"] = port, ["protocol"] = "TCP" }) } });
        await CreateAsync(new("", "v1", "endpoints", "Endpoints"), new()
        {
            ["subsets"] = new JsonArray(new JsonObject { ["addresses"] = new JsonArray(new JsonObject { ["ip"] = address }), ["ports"] = new JsonArray(new JsonObject { ["port"] = port, ["protocol"] = "TCP" }) }),
        });
        _endpoint = $"https://{host}:{port}";
    }

    private Task CreateAsync(KubeResource kind, JsonObject body)
    {
        body["apiVersion"] = kind.ApiVersion;
        body["kind"] = kind.Kind;
        body["metadata"] = new JsonObject { ["name"] = _service, ["namespace"] = cluster.Namespace };
        return cluster.Client.ApplyAsync(new(kind, cluster.Namespace, _service, body), new(), TestContext.Current.CancellationToken);
    }

    public async ValueTask DisposeAsync() => await Store.DisposeAsync();

    public async Task PrepareAsync(string stack, string engines, string more = "")
    {
        await SecretAsync($"{stack}-store", ("accessKeyId", _store!.Owner.AccessKeyId), ("secretAccessKey", _store.Owner.SecretAccessKey));
        await SecretAsync($"{stack}-keys", ("current", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))), ("pgbackrest", Convert.ToBase64String(RandomNumberGenerator.GetBytes(32))));
        await cluster.Client.CreateAsync(KubeTypes.ConfigMaps, new(new(Name: $"{stack}-store-ca", Namespace: cluster.Namespace), new Dictionary<string, string> { ["ca.crt"] = _store.Authority }), TestContext.Current.CancellationToken);
        await ApplyAsync(stack, engines, more);
    }

    /// <summary>Applies a stack whose Secrets are there.</summary>
    public Task ApplyAsync(string stack, string engines, string more = "") => cluster.ApplyAsync(stack, $$"""
        tier: Development
        engines: {{engines}}
        deletionPolicy: Delete
        backup:
          destination: {{Destination(stack, Bucket)}}
          encryption: {keySecret: {{stack}}-keys}
          {{more}}
        """);

    /// <summary>A bucket of the store, as a stack names it.</summary>
    public string Destination(string stack, string bucket) =>
        $$"""{endpoint: "{{_endpoint}}", bucket: {{bucket}}, prefix: eu, credentialsSecret: {{stack}}-store, caConfigMap: {{stack}}-store-ca}""";

    /// <summary>Removes what begins so from the first bucket, as an accident would.</summary>
    public async Task LoseAsync(string folder)
    {
        using var client = Store.Client();
        foreach (var name in await NamesAsync(folder))
            await client.DeleteObjectAsync(Bucket, name, TestContext.Current.CancellationToken);
    }

    /// <summary>Gives a stack other credentials of the store.</summary>
    public Task CredentialsAsync(string stack, StoreCredentials credentials) => cluster.Client.PatchAsync(
        KubeTypes.Secrets,
        cluster.Namespace,
        $"{stack}-store",
        KubePatch.Merge(new JsonObject { ["stringData"] = new JsonObject { ["accessKeyId"] = credentials.AccessKeyId, ["secretAccessKey"] = credentials.SecretAccessKey } }),
        TestContext.Current.CancellationToken);

    /// <summary>Deletes a stack. Records outlive theirs, and the pods of their runs go with them.</summary>
    public async Task DeleteAsync(string stack)
    {
        await cluster.Client.PatchAsync(StackResource.Type, cluster.Namespace, stack, KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["backup"] = null } }), TestContext.Current.CancellationToken);
        foreach (var backup in (await cluster.ListAsync(BackupResource.Type, "")).Where(backup => backup.Spec.Stack == stack))
            await DeleteAsync(BackupResource.Type.Resource, backup.Metadata.Name!);
        foreach (var restore in (await cluster.ListAsync(RestoreResource.Type, "")).Where(restore => restore.Spec.Stack == stack))
            await DeleteAsync(RestoreResource.Type.Resource, restore.Metadata.Name!);
        await cluster.DeleteStackAsync(stack);
    }

    private Task DeleteAsync(KubeResource kind, string name) =>
        cluster.Client.DeleteAsync(kind, cluster.Namespace, name, new(Propagation: DeletePropagation.Background), TestContext.Current.CancellationToken);

    private Task SecretAsync(string name, params (string Key, string Value)[] fields) => cluster.Client.CreateAsync(
        KubeTypes.Secrets,
        new Secret(new(Name: name, Namespace: cluster.Namespace), fields.ToDictionary(field => field.Key, field => Convert.ToBase64String(Encoding.UTF8.GetBytes(field.Value))), Type: "Opaque"),
        TestContext.Current.CancellationToken);

    /// <summary>Backs up, which must go well.</summary>
    public async Task<ComplianceBackup> BackUpAsync(string stack, string engine, string name, string type = "Full")
    {
        await BeginBackupAsync(stack, engine, name, type);
        var backup = await BackedUpAsync(name);
        Assert.True(backup.Status!.Phase == RunPhase.Succeeded, $"{backup.Status.Reason}: {backup.Status.Message}");
        return backup;
    }

    /// <summary>Asks for a backup.</summary>
    public Task BeginBackupAsync(string stack, string engine, string name, string type = "Full") =>
        ApplyAsync(BackupResource.Type.Resource, name, $"{{stack: {stack}, engine: {engine}, type: {type}}}");

    /// <summary>A backup, once it is over.</summary>
    public Task<ComplianceBackup> BackedUpAsync(string name) => cluster.UntilAsync(BackupResource.Type, name, now => now.Status?.Phase is RunPhase.Succeeded or RunPhase.Failed, _patience, "over");

    /// <summary>Restores, and tells how that went.</summary>
    public async Task<ComplianceRestore> RestoreAsync(string stack, string engine, string name, string target, string source = "{}")
    {
        await ApplyAsync(RestoreResource.Type.Resource, name, $"{{stack: {stack}, engine: {engine}, source: {source}, target: {target}}}");
        var restore = await cluster.UntilAsync(RestoreResource.Type, name, now => now.Status?.Phase is RestorePhase.Succeeded or RestorePhase.Failed, TimeSpan.FromMinutes(6), "over");
        TestContext.Current.SendDiagnosticMessage($"{name}: {restore.Status!.Phase} {restore.Status.Reason} {restore.Status.Message} RTO {restore.Status.MeasuredRto} RPO {restore.Status.MeasuredRpo}");
        return restore;
    }

    private Task ApplyAsync(KubeResource kind, string name, string spec)
    {
        var body = new JsonObject
        {
            ["apiVersion"] = kind.ApiVersion,
            ["kind"] = kind.Kind,
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = cluster.Namespace },
            ["spec"] = KubeYaml.Read(spec),
        };
        return cluster.Client.ApplyAsync(new(kind, cluster.Namespace, name, body), new(), TestContext.Current.CancellationToken);
    }
}
