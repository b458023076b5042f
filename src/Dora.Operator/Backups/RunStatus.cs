using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>Writes the status of backups and restores.</summary>
internal static class RunStatus
{
    /// <summary>Writes a status, if it differs. Bound to the state that it was decided on: a cache may be behind, and a run must not begin twice.</summary>
    /// <returns>Whether it was written.</returns>
    public static async Task<bool> WriteAsync<T, TStatus>(KubeClient client, KubeType<T> type, T value, TStatus? old, TStatus wanted, JsonTypeInfo<TStatus> json, CancellationToken cancellationToken)
        where T : class, IKubeObject
        where TStatus : class
    {
        var status = JsonSerializer.SerializeToNode(wanted, json);
        if (old is not null && StatusComparison.Same(JsonSerializer.SerializeToNode(old, json), status))
            return false;
        var meta = value.Metadata;
        var body = new JsonObject
        {
            ["apiVersion"] = type.Resource.ApiVersion,
            ["kind"] = type.Resource.Kind,
            ["metadata"] = new JsonObject { ["name"] = meta.Name, ["namespace"] = meta.Namespace, ["uid"] = meta.Uid, ["resourceVersion"] = meta.ResourceVersion },
            ["status"] = status,
        };
        try
        {
            await client.ApplyAsync(new(type.Resource, meta.Namespace, meta.Name!, body), new(Force: true, Subresource: "status"), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (KubeNotFoundException)
        {
            return false;
        }
    }
}
