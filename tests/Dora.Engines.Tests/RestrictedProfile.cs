using System.Text.Json.Nodes;

namespace Dora.Engines.Tests;

/// <summary>
/// Kubernetes' Pod Security Standards, profile "restricted", which holds "baseline" too. Read from the JSON that is sent, so that
/// a field which our types get one day is judged as well.
/// </summary>
internal static class RestrictedProfile
{
    private static readonly string[] Volumes = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];
    private static readonly string[] Profiles = ["RuntimeDefault", "Localhost"];

    /// <summary>What in a pod's spec the profile forbids.</summary>
    public static IEnumerable<string> Breaches(JsonObject pod)
    {
        foreach (var field in new[] { "hostNetwork", "hostPID", "hostIPC" }.Where(field => pod[field] is not null))
            yield return field;
        if (pod["os"] is not null)
            yield return "os";
        foreach (var volume in List(pod["volumes"]).SelectMany(volume => volume.AsObject()).Where(part => part.Key != "name" && !Volumes.Contains(part.Key)))
            yield return $"volume {volume.Key}";
        var security = pod["securityContext"] as JsonObject ?? [];
        foreach (var breach in Shared(security).Concat(security["sysctls"] is null ? [] : ["sysctls"]))
            yield return $"pod: {breach}";
        foreach (var container in new[] { "containers", "initContainers", "ephemeralContainers" }.SelectMany(kind => List(pod[kind])))
        {
            foreach (var breach in Container(container, security))
                yield return $"{container["name"]}: {breach}";
        }
    }

    private static IEnumerable<string> Container(JsonNode container, JsonObject pod)
    {
        var security = container["securityContext"] as JsonObject ?? [];
        foreach (var breach in Shared(security))
            yield return breach;
        if ((bool?)security["allowPrivilegeEscalation"] != false)
            yield return "allowPrivilegeEscalation";
        if (security["privileged"] is { } privileged && (bool)privileged)
            yield return "privileged";
        if (security["procMount"] is not null)
            yield return "procMount";
        if ((bool?)(security["runAsNonRoot"] ?? pod["runAsNonRoot"]) != true)
            yield return "runAsNonRoot";
        if (!Profiles.Contains((string?)(security["seccompProfile"] ?? pod["seccompProfile"])?["type"]))
            yield return "seccompProfile";
        if (!List(security["capabilities"]?["drop"]).Any(capability => (string?)capability == "ALL"))
            yield return "capabilities.drop";
        if (List(security["capabilities"]?["add"]).Any(capability => (string?)capability != "NET_BIND_SERVICE"))
            yield return "capabilities.add";
        if (List(container["ports"]).Any(port => port["hostPort"] is not null))
            yield return "hostPort";
    }

    private static IEnumerable<string> Shared(JsonObject security)
    {
        if (security["runAsUser"] is { } user && (long)user == 0)
            yield return "runAsUser";
        if (security["runAsNonRoot"] is { } nonRoot && !(bool)nonRoot)
            yield return "runAsNonRoot";
        if (security["seccompProfile"] is { } profile && !Profiles.Contains((string?)profile["type"]))
            yield return "seccompProfile";
        foreach (var field in new[] { "seLinuxOptions", "appArmorProfile", "windowsOptions" }.Where(field => security[field] is not null))
            yield return field;
    }

    private static IEnumerable<JsonNode> List(JsonNode? node) => (node as JsonArray ?? []).Select(item => item!);
}
