using System.Text.Json.Serialization;
using Dora.Kubernetes.Model;

namespace Dora.Benchmarks.Foos;

/// <summary>The resource of Kubernetes' sample-controller (staging/src/k8s.io/sample-controller/pkg/apis).</summary>
internal sealed record Foo(ObjectMeta Metadata, FooSpec Spec, FooStatus? Status = null, string? ApiVersion = Foo.GroupVersion, string? Kind = Foo.KindName) : IKubeObject
{
    public const string GroupVersion = "samplecontroller.k8s.io/v1alpha1";
    public const string KindName = "Foo";

    private static readonly FooJson _json = new(KubeJson.WireOptions());

    public static KubeType<Foo> Type { get; } =
        new(new("samplecontroller.k8s.io", "v1alpha1", "foos", KindName), _json.Foo, _json.KubeListFoo);
}

/// <summary>The Deployment wanted.</summary>
internal sealed record FooSpec(string DeploymentName, int Replicas);

/// <summary>What the Deployment says.</summary>
internal sealed record FooStatus(int AvailableReplicas);

[JsonSerializable(typeof(KubeList<Foo>))]
internal sealed partial class FooJson : JsonSerializerContext;
