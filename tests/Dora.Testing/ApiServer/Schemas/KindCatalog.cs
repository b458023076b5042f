using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>What the server serves: the built-in kinds, and those of the custom resource definitions posted to it.</summary>
internal sealed class KindCatalog
{
    public static readonly KubeResource CustomResourceDefinitions =
        new("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", Namespaced: false);

    public static readonly KubeResource Namespaces = new("", "v1", "namespaces", "Namespace", Namespaced: false);

    private const string ObjectMetaType = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

    private static readonly JsonObject Definitions = LoadDefinitions();
    private static readonly ConcurrentDictionary<string, TypeSchema> Types = new(StringComparer.Ordinal);

    private ImmutableDictionary<(string Group, string Version, string Plural), ServedKind> kinds = BuiltIn().ToImmutableDictionary(Key);

    public IEnumerable<ServedKind> All => kinds.Values.OrderBy(kind => kind.Resource.Group, StringComparer.Ordinal)
        .ThenBy(kind => kind.Resource.Version, StringComparer.Ordinal).ThenBy(kind => kind.Resource.Plural, StringComparer.Ordinal);

    public ServedKind? Find(string group, string version, string plural) => kinds.GetValueOrDefault((group, version, plural));

    public ServedKind Get(KubeResource resource) => kinds[(resource.Group, resource.Version, resource.Plural)];

    /// <summary>Stops serving a kind, as an older server would.</summary>
    public void Remove(string group, string version, string plural) => kinds = kinds.Remove((group, version, plural));

    /// <summary>Serves the versions of a definition.</summary>
    public void Register(JsonObject definition)
    {
        var spec = definition["spec"]!;
        foreach (var version in spec["versions"]!.AsArray().Where(version => (bool)version!["served"]!))
        {
            var kind = Custom(spec, version!);
            kinds = kinds.SetItem(Key(kind), kind);
        }
    }

    /// <summary>The resources that a definition serves.</summary>
    public IReadOnlyList<ServedKind> Of(JsonObject definition)
    {
        var (group, plural) = ((string)definition["spec"]!["group"]!, (string)definition["spec"]!["names"]!["plural"]!);
        return [.. kinds.Values.Where(kind => kind.Resource.Group == group && kind.Resource.Plural == plural)];
    }

    private static ServedKind Custom(JsonNode spec, JsonNode version)
    {
        var names = spec["names"]!;
        var resource = new KubeResource((string)spec["group"]!, (string)version["name"]!, (string)names["plural"]!, (string)names["kind"]!, (string?)spec["scope"] == "Namespaced");
        var schema = version["schema"]?["openAPIV3Schema"]?.DeepClone().AsObject() ?? new JsonObject { ["type"] = "object", ["x-kubernetes-preserve-unknown-fields"] = true };
        if (schema["properties"] is not JsonObject properties)
            schema["properties"] = properties = [];
        properties["apiVersion"] = new JsonObject { ["type"] = "string" };
        properties["kind"] = new JsonObject { ["type"] = "string" };
        properties["metadata"] = new JsonObject { ["$ref"] = ObjectMetaType };
        return new(resource, new TypeSchema(schema, Type), version["subresources"]?["status"] is not null, schema)
        {
            Singular = (string?)names["singular"] ?? resource.Kind.ToLowerInvariant(),
            ShortNames = Strings(names["shortNames"]),
            Categories = Strings(names["categories"]),
        };
    }

    private static IEnumerable<ServedKind> BuiltIn()
    {
        static ServedKind Kind(KubeResource resource, string? definition, bool status = false, params string[] shortNames) =>
            new(resource, definition is null ? TypeSchema.Deduced : Type("io.k8s.api." + definition), status) { ShortNames = shortNames };

        yield return Kind(Namespaces, "core.v1.Namespace", status: true, "ns");
        yield return Kind(KubeTypes.Pods.Resource, "core.v1.Pod", status: true, "po");
        yield return Kind(KubeTypes.ConfigMaps.Resource, "core.v1.ConfigMap", shortNames: "cm");
        yield return Kind(KubeTypes.Secrets.Resource, "core.v1.Secret");
        yield return Kind(KubeTypes.Services.Resource, "core.v1.Service", status: true, "svc");
        yield return Kind(KubeTypes.ServiceAccounts.Resource, "core.v1.ServiceAccount", shortNames: "sa");
        yield return Kind(KubeTypes.PersistentVolumeClaims.Resource, "core.v1.PersistentVolumeClaim", status: true, "pvc");
        yield return Kind(new("", "v1", "endpoints", "Endpoints"), "core.v1.Endpoints", shortNames: "ep");
        yield return Kind(KubeTypes.StatefulSets.Resource, "apps.v1.StatefulSet", status: true, "sts");
        yield return Kind(KubeTypes.Deployments.Resource, "apps.v1.Deployment", status: true, "deploy");
        yield return Kind(new("apps", "v1", "replicasets", "ReplicaSet"), "apps.v1.ReplicaSet", status: true, "rs");
        yield return Kind(new("batch", "v1", "jobs", "Job"), "batch.v1.Job", status: true);
        yield return Kind(KubeTypes.StorageClasses.Resource, "storage.v1.StorageClass", shortNames: "sc");
        yield return Kind(KubeTypes.PodDisruptionBudgets.Resource, "policy.v1beta1.PodDisruptionBudget", status: true, "pdb");
        yield return Kind(KubeTypes.PodDisruptionBudgetsBeta.Resource, "policy.v1beta1.PodDisruptionBudget", status: true, "pdb");
        yield return Kind(KubeTypes.Roles.Resource, "rbac.v1.Role");
        yield return Kind(KubeTypes.ClusterRoles.Resource, "rbac.v1.ClusterRole");
        yield return Kind(KubeTypes.RoleBindings.Resource, "rbac.v1.RoleBinding");
        yield return Kind(KubeTypes.ClusterRoleBindings.Resource, "rbac.v1.ClusterRoleBinding");
        yield return Kind(KubeTypes.NetworkPolicies.Resource, "networking.v1.NetworkPolicy", shortNames: "netpol");
        yield return Kind(KubeTypes.Leases.Resource, "coordination.v1.Lease");
        yield return Kind(KubeTypes.Events.Resource, "events.v1.Event", shortNames: "ev");
        yield return Kind(CustomResourceDefinitions, definition: null, status: true, "crd", "crds");
    }

    private static TypeSchema Type(string name) => Types.GetOrAdd(name, static name => new TypeSchema(
        Definitions[name]?.AsObject() ?? throw new InvalidOperationException($"kubernetes-openapi.json lacks {name}; add it to kubernetes-openapi.jq"), Type, name));

    private static (string, string, string) Key(ServedKind kind) => (kind.Resource.Group, kind.Resource.Version, kind.Resource.Plural);

    private static IReadOnlyList<string> Strings(JsonNode? list) => [.. (list as JsonArray ?? []).Select(one => (string)one!)];

    private static JsonObject LoadDefinitions()
    {
        using var stream = typeof(KindCatalog).Assembly.GetManifestResourceStream("kubernetes-openapi.json")!;
        return JsonNode.Parse(stream)!.AsObject();
    }
}
