using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>
/// Signals to every process of a pod, as its node would send them: a helper pod on the same node, in the node's process namespace,
/// finds them by the pod's UID in their control groups. The pod's sandbox is left alone, so that the pod stays the same object.
/// </summary>
internal static class PodSignals
{
    // The kubelet's systemd driver writes the UID with underscores.
    private const string Script = """
        found=0
        for group in $(grep -lE "$1|$(echo "$1" | tr - _)" /proc/[0-9]*/cgroup 2>/dev/null); do
          process=${group%/cgroup}
          [ "$(cat "$process/comm" 2>/dev/null)" = pause ] && continue
          kill "-$2" "${process#/proc/}" && found=$((found + 1))
        done
        echo "$found processes"
        [ "$found" -gt 0 ]
        """;

    /// <summary>Sends KILL, STOP or CONT to every process of a pod; returns when that is done.</summary>
    /// <param name="cluster">Where.</param>
    /// <param name="pod">Whom.</param>
    /// <param name="signal">What.</param>
    /// <param name="image">An image with a shell; default: the pod's own.</param>
    public static async Task SignalAsync(this Cluster cluster, string pod, string signal, string? image = null)
    {
        var target = await cluster.GetAsync(KubeTypes.Pods, pod);
        var name = $"signal-{Guid.NewGuid():N}"[..20];
        var body = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Pod",
            ["metadata"] = new JsonObject { ["name"] = name, ["namespace"] = cluster.Namespace },
            ["spec"] = new JsonObject
            {
                ["nodeName"] = target.Spec!.NodeName,
                ["hostPID"] = true,
                ["restartPolicy"] = "Never",
                ["terminationGracePeriodSeconds"] = 0,
                ["automountServiceAccountToken"] = false,
                ["containers"] = new JsonArray(new JsonObject
                {
                    ["name"] = "signal",
                    ["image"] = image ?? target.Spec.Containers[0].Image,
                    ["imagePullPolicy"] = "IfNotPresent",
                    ["command"] = new JsonArray("/bin/sh", "-c", Script, "signal", target.Metadata.Uid, signal),
                    ["securityContext"] = new JsonObject { ["privileged"] = true, ["runAsUser"] = 0 },
                }),
            },
        };
        await cluster.Client.ApplyAsync(new(KubeTypes.Pods.Resource, cluster.Namespace, name, body), new(), TestContext.Current.CancellationToken);
        var ended = await cluster.UntilAsync(KubeTypes.Pods, name, seen => seen.Status?.Phase is "Succeeded" or "Failed", TimeSpan.FromMinutes(2), "ended");
        Assert.Equal("Succeeded", ended.Status!.Phase);
        await cluster.Client.DeleteAsync(KubeTypes.Pods.Resource, cluster.Namespace, name, new(), TestContext.Current.CancellationToken);
    }

    /// <summary>
    /// Freezes a primary until another took its place. Frozen processes keep their connections and their belief to lead, which a killed one cannot; they thaw
    /// after they were replaced.
    /// </summary>
    public static async Task FrozenAsync(this Cluster cluster, string stack, string engine, string primary)
    {
        await cluster.SignalAsync(primary, "STOP");
        try
        {
            await cluster.UntilAsync(
                StackResource.Type, stack, now => now.Primary(engine) is { Length: > 0 } other && other != primary, TimeSpan.FromMinutes(2), $"served by another than {primary}");
        }
        finally
        {
            await cluster.SignalAsync(primary, "CONT");
        }
    }

    /// <summary>Who takes the writes of an engine, by its status; empty: nobody.</summary>
    public static string Primary(this ComplianceStack stack, string engine) =>
        stack.Status?.Engines?.FirstOrDefault(status => status.Name == engine)?.Primary ?? "";
}
