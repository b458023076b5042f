using System.Text.Json;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Tests;

/// <summary>Engines bound to small stacks.</summary>
internal static class Engines
{
    public static StackContext Stack(Tier tier = Tier.Development, DeletionPolicy policy = DeletionPolicy.Retain, string version = StackVersions.Newest) =>
        new("compliance", "payments", "4f6c1d9e-0000-4000-8000-000000000001", tier, version, policy, new(), new(), Tls: new());

    public static IEngineCluster Bind(string engine, string settings = "{}", Tier tier = Tier.Development, string version = StackVersions.Newest) =>
        Bind(engine, settings, Stack(tier, version: version));

    public static IEngineCluster Bind(string engine, string settings, StackContext stack)
    {
        using var json = JsonDocument.Parse(KubeYaml.Read(settings)!.ToJsonString());
        return EngineCatalogue.Find(engine)!.Bind(stack, json.RootElement.Clone());
    }

    /// <summary>Pod specs of everything that runs pods.</summary>
    public static IEnumerable<PodSpec> Pods(IEnumerable<Manifest> manifests) => manifests
        .Where(manifest => manifest.Resource.Kind is "StatefulSet" or "Deployment")
        .Select(manifest => manifest.Body["spec"]!["template"]!["spec"].Deserialize(KubeJson.Wire.PodSpec)!);

    public static EngineObservation Observed(int replicas, string? primary = null, EngineVerdict verdict = EngineVerdict.Healthy, string[]? needs = null, MemberHealth[]? members = null) => new(
        Workload: new(new(Name: "payments"), new("s", new(), new(new(), new([])), Replicas: replicas), new(ReadyReplicas: replicas)),
        Health: new(verdict, members ?? [], primary, null, "", needs ?? []));

    public static MemberPod Pod(int ordinal, string engine) => new($"payments-{engine}-{ordinal}", ordinal, $"10.0.0.{ordinal}", true, null);
}
