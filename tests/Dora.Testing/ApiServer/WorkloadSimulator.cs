using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer;

/// <summary>
/// Stands in for the StatefulSet and Deployment controllers, the volume binder and the kubelet, on an
/// <see cref="InMemoryApiServer"/>: pods appear, become ready, are replaced when the template changes, and status says so. Coarse:
/// all pods start at once, an outdated pod is replaced at once, or, with OnDelete, when it is deleted, and a volume has at once the
/// size that its claim asks for. Its writes are not in the request log.
/// </summary>
public sealed class WorkloadSimulator : IAsyncDisposable
{
    private const string RevisionLabel = "controller-revision-hash";

    private readonly InMemoryApiServer server;
    private readonly ChannelReader<StoreChange> changes;
    private readonly CancellationTokenSource stopped = new();
    private readonly Func<JsonObject, bool> becomesReady;
    private readonly Task running;

    /// <summary>Begins to act on what the server holds.</summary>
    /// <param name="server">The server.</param>
    /// <param name="becomesReady">Whether a pod becomes ready; all do when null. Asked again with every change of its owner.</param>
    public WorkloadSimulator(InMemoryApiServer server, Func<JsonObject, bool>? becomesReady = null)
    {
        ArgumentNullException.ThrowIfNull(server);
        this.server = server;
        this.becomesReady = becomesReady ?? (_ => true);
        changes = server.Store.Listen();
        running = RunAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stopped.CancelAsync();
        await running.ContinueWith(_ => { }, TaskScheduler.Default);
        stopped.Dispose();
    }

    private async Task RunAsync()
    {
        foreach (var resource in (KubeResource[])[KubeTypes.StatefulSets.Resource, KubeTypes.Deployments.Resource])
            Reconcile(resource, server.All(resource));
        await foreach (var change in changes.ReadAllAsync(stopped.Token))
            React(change);
    }

    private void React(StoreChange change)
    {
        var (resource, changed) = (change.Resource, change.Event.After);
        if (resource == KubeTypes.StatefulSets.Resource || resource == KubeTypes.Deployments.Resource)
        {
            if (!change.Event.Removed)
                Reconcile(resource, [changed.ToJson()]);
            return;
        }

        if (resource == KubeTypes.PersistentVolumeClaims.Resource && !change.Event.Removed)
            Resize(changed.ToJson());
        if (resource != KubeTypes.Pods.Resource)
            return;
        // The kubelet ends a marked pod; whoever owns it makes another.
        if (!change.Event.Removed && changed.IsDeleting && changed.Finalizers.Count == 0)
            server.Remover.Remove(server.Kinds.Get(resource), changed);
        foreach (var owner in changed.Owners)
        {
            if (change.Event.Removed && Owner(owner.Uid) is { } found)
                Reconcile(found.Resource, [found.Object.ToJson()]);
        }
    }

    private void Resize(JsonObject claim)
    {
        var asked = claim["spec"]?["resources"]?["requests"]?["storage"];
        if ((string?)claim["status"]?["phase"] != "Bound" || JsonNode.DeepEquals(asked, claim["status"]?["capacity"]?["storage"]))
            return;
        var status = new JsonObject { ["capacity"] = new JsonObject { ["storage"] = asked?.DeepClone() } };
        server.Patch(KubeTypes.PersistentVolumeClaims.Resource, (string?)claim["metadata"]!["namespace"], (string)claim["metadata"]!["name"]!, new JsonObject { ["status"] = status }, "status");
    }

    private (KubeResource Resource, StoredObject Object)? Owner(string uid)
    {
        lock (server.Store.Gate)
            return server.Store.ByUid(uid);
    }

    private void Reconcile(KubeResource resource, IReadOnlyList<JsonObject> workloads)
    {
        foreach (var workload in workloads.Where(one => one["metadata"]!["deletionTimestamp"] is null))
        {
            lock (server.Store.Gate)
            {
                var (ns, name) = ((string)workload["metadata"]!["namespace"]!, (string)workload["metadata"]!["name"]!);
                if (server.Find(resource, ns, name) is { } current)
                    Reconcile(resource, current, ns, name);
            }
        }
    }

    private void Reconcile(KubeResource resource, JsonObject workload, string ns, string name)
    {
        var isStatefulSet = resource == KubeTypes.StatefulSets.Resource;
        var replicas = (int?)workload["spec"]!["replicas"] ?? 1;
        var revision = $"{name}-{Hash(workload["spec"]!["template"]!)}";
        var wanted = Enumerable.Range(0, replicas).Select(ordinal => isStatefulSet ? $"{name}-{ordinal}" : $"{revision}-{ordinal}").ToList();
        var pods = server.Store.DependentsOf((string)workload["metadata"]!["uid"]!).Where(one => one.Resource == KubeTypes.Pods.Resource).Select(one => one.Object).ToList();
        var keepsOld = isStatefulSet && (string?)workload["spec"]!["updateStrategy"]?["type"] == "OnDelete";
        foreach (var pod in pods.Where(pod => !wanted.Contains(pod.Name) || (!keepsOld && pod.Labels.GetValueOrDefault(RevisionLabel) != revision)))
            server.Remover.Remove(server.Kinds.Get(KubeTypes.Pods.Resource), pod);
        foreach (var podName in wanted)
            EnsurePod(resource, workload, ns, podName, revision);
        WriteStatus(resource, workload, ns, name, replicas, wanted.Count(pod => IsReady(ns, pod)), revision);
    }

    private void EnsurePod(KubeResource resource, JsonObject workload, string ns, string podName, string revision)
    {
        var pods = KubeTypes.Pods.Resource;
        if (server.Find(pods, ns, podName) is null)
            CreatePod(resource, workload, ns, podName, revision);
        if (server.Find(pods, ns, podName) is { } pod && !IsReady(ns, podName) && becomesReady(pod))
            server.Patch(pods, ns, podName, RunningStatus(pod), "status");
    }

    private void CreatePod(KubeResource resource, JsonObject workload, string ns, string podName, string revision)
    {
        var template = workload["spec"]!["template"]!;
        var metadata = template["metadata"]?.DeepClone().AsObject() ?? [];
        var labels = metadata["labels"] as JsonObject ?? [];
        metadata["name"] = podName;
        metadata["labels"] = labels.DeepClone();
        metadata["labels"]![RevisionLabel] = revision;
        metadata["ownerReferences"] = new JsonArray(new JsonObject
        {
            ["apiVersion"] = resource.ApiVersion,
            ["kind"] = resource.Kind,
            ["name"] = workload["metadata"]!["name"]!.DeepClone(),
            ["uid"] = workload["metadata"]!["uid"]!.DeepClone(),
            ["controller"] = true,
            ["blockOwnerDeletion"] = true,
        });
        var spec = template["spec"]!.DeepClone().AsObject();
        spec["nodeName"] = "node-1";
        if (resource == KubeTypes.StatefulSets.Resource)
        {
            metadata["labels"]!["statefulset.kubernetes.io/pod-name"] = podName;
            spec["hostname"] = podName;
            spec["subdomain"] = workload["spec"]!["serviceName"]?.DeepClone();
            foreach (var claim in workload["spec"]!["volumeClaimTemplates"] as JsonArray ?? [])
                EnsureClaim(claim!, ns, podName, spec);
        }

        server.Create(KubeTypes.Pods.Resource, ns, new JsonObject { ["metadata"] = metadata, ["spec"] = spec });
    }

    private void EnsureClaim(JsonNode template, string ns, string podName, JsonObject podSpec)
    {
        var volume = (string)template["metadata"]!["name"]!;
        var name = $"{volume}-{podName}";
        if (podSpec["volumes"] is not JsonArray volumes)
            podSpec["volumes"] = volumes = [];
        volumes.Add((JsonNode)new JsonObject { ["name"] = volume, ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = name } });
        var claims = KubeTypes.PersistentVolumeClaims.Resource;
        if (server.Find(claims, ns, name) is not null)
            return;
        var metadata = new JsonObject { ["name"] = name };
        foreach (var field in (string[])["labels", "annotations"])
        {
            if (template["metadata"]![field] is { } value)
                metadata[field] = value.DeepClone();
        }

        var spec = template["spec"]!.DeepClone().AsObject();
        spec["volumeName"] = $"volume-{name}";
        server.Create(claims, ns, new JsonObject { ["metadata"] = metadata, ["spec"] = spec });
        server.Patch(claims, ns, name, new JsonObject
        {
            ["status"] = new JsonObject { ["phase"] = "Bound", ["capacity"] = spec["resources"]?["requests"]?.DeepClone() },
        }, "status");
    }

    private JsonObject RunningStatus(JsonObject pod)
    {
        var now = server.Options.Clock.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        JsonNode Condition(string type) => new JsonObject { ["type"] = type, ["status"] = "True", ["lastTransitionTime"] = now };
        JsonNode Container(JsonNode? container) => new JsonObject
        {
            ["name"] = container!["name"]!.DeepClone(),
            ["image"] = container["image"]?.DeepClone(),
            ["imageID"] = "",
            ["ready"] = true,
            ["started"] = true,
            ["restartCount"] = 0,
            ["state"] = new JsonObject { ["running"] = new JsonObject { ["startedAt"] = now } },
        };
        var address = SHA256.HashData(Encoding.UTF8.GetBytes((string)pod["metadata"]!["uid"]!));
        return new()
        {
            ["status"] = new JsonObject
            {
                ["phase"] = "Running",
                ["podIP"] = $"10.89.{address[0]}.{(address[1] % 253) + 1}",
                ["conditions"] = new JsonArray(Condition("Initialized"), Condition("Ready"), Condition("ContainersReady"), Condition("PodScheduled")),
                ["containerStatuses"] = new JsonArray([.. pod["spec"]!["containers"]!.AsArray().Select(Container)]),
            },
        };
    }

    private bool IsReady(string ns, string pod) => (server.Find(KubeTypes.Pods.Resource, ns, pod)?["status"]?["conditions"] as JsonArray ?? [])
        .Any(condition => (string?)condition!["type"] == "Ready" && (string?)condition["status"] == "True");

    private void WriteStatus(KubeResource resource, JsonObject workload, string ns, string name, int replicas, int ready, string revision)
    {
        var status = new JsonObject
        {
            ["observedGeneration"] = workload["metadata"]!["generation"]!.DeepClone(),
            ["replicas"] = replicas,
            ["readyReplicas"] = ready,
            ["updatedReplicas"] = replicas,
        };
        if (resource == KubeTypes.StatefulSets.Resource)
        {
            status["currentReplicas"] = replicas;
            status["currentRevision"] = revision;
            status["updateRevision"] = revision;
        }
        else
        {
            status["availableReplicas"] = ready;
        }

        server.Patch(resource, ns, name, new JsonObject { ["status"] = status }, "status");
    }

    private static string Hash(JsonNode template) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(template.ToJsonString())))[..10];
}
