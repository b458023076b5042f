using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;
using Dora.Operator.Tests.Certificates;

namespace Dora.Operator.Tests.Stacks;

/// <summary>What is observed of a stack whose objects all exist as asked, with these claims, pods and findings.</summary>
internal sealed class RunningStack
{
    private const string Uid = "stack-uid";

    private readonly Dictionary<ObjectId, LiveObject> _live = [];
    private readonly StackPlan _plan;
    private readonly (IReadOnlyDictionary<string, SecretReading> Secrets, DateTimeOffset Now) _certificates;

    public RunningStack(string spec)
    {
        Stack = StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: default, uid: {Uid}, generation: 1}}, spec: {spec}}}")[0];
        _plan = StackPlanner.Plan(StackObservation.Nowhere(Stack, new()));
        Assert.Empty(_plan.Violations);
        Exist(_plan);
        _certificates = CertificateWorld.Of(Stack, _plan.Engines);
        // The ConfigMap of whom to trust follows the authority.
        Exist(StackPlanner.Plan(Observation));
    }

    public ComplianceStack Stack { get; }

    public HashSet<string> Pods { get; } = [];

    public Dictionary<string, EngineHealth> Health { get; } = [];

    public StackObservation Observation => StackObservation.Nowhere(Stack, new()) with
    {
        Live = _live,
        Pods = [.. Pods.Select(name => new Pod(new(name, "default", Uid: name, Labels: Of(name.Split('-')[1]))))],
        Health = Health,
        Now = _certificates.Now,
        Credentials = _plan.Engines.SelectMany(engine => engine.Cluster.Credentials()).ToDictionary(
            request => request.SecretName,
            request => (SecretReading)new SecretReading.Found(request.Fields.ToDictionary(entry => entry.Key, _ => "value"), Stack.Spec.DeletionPolicy == DeletionPolicy.Delete))
            .Concat(_certificates.Secrets).ToDictionary(),
    };

    private void Exist(StackPlan plan)
    {
        foreach (var manifest in plan.Steps.OfType<PlanStep.Apply>().Select(step => step.Manifest))
            _live[new(manifest.Resource, manifest.Name)] = new(manifest.Resource, Access.PlansOfEveryKind.Typed(manifest), () => manifest.Body);
    }

    /// <summary>Steps that concern claims.</summary>
    public IReadOnlyList<PlanStep> ClaimSteps(Func<StackObservation, StackObservation>? with = null) => [.. Plan(with).Steps.Where(step => step
        is PlanStep.GrowClaim
        or PlanStep.Prune { Resource.Plural: "persistentvolumeclaims" }
        or PlanStep.SetOwner { Resource.Plural: "persistentvolumeclaims" })];

    public StackPlan Plan(Func<StackObservation, StackObservation>? with = null)
    {
        var plan = StackPlanner.Plan(with is null ? Observation : with(Observation));
        Assert.Empty(plan.Violations);
        return plan;
    }

    /// <summary>The StatefulSet as its controller has it now.</summary>
    public RunningStack Set(string name, int replicas, int? running = null, long seen = 1)
    {
        var id = new ObjectId(KubeTypes.StatefulSets.Resource, name);
        var set = (StatefulSet)_live[id].Object;
        _live[id] = _live[id] with
        {
            Object = set with
            {
                Metadata = set.Metadata with { Generation = 1 },
                Spec = set.Spec! with { Replicas = replicas },
                Status = new(ObservedGeneration: seen, Replicas: running ?? replicas, ReadyReplicas: running ?? replicas),
            },
        };
        return this;
    }

    public RunningStack Claim(string name, string engine, bool owned = false, string size = "1Gi", string? @class = null, PersistentVolumeClaimStatus? status = null)
    {
        var claim = new PersistentVolumeClaim(
            new(name, "default", Uid: $"uid-{name}", Labels: Of(engine), OwnerReferences: owned ? [new(StackResource.ApiVersion, StackResource.Kind, "shop", Uid)] : null),
            new(StorageClassName: @class, Resources: new(Requests: new Dictionary<string, string> { ["storage"] = size })),
            status ?? new("Bound", new Dictionary<string, string> { ["storage"] = size }));
        _live[new(KubeTypes.PersistentVolumeClaims.Resource, name)] = new(KubeTypes.PersistentVolumeClaims.Resource, claim, () => []);
        return this;
    }

    private static Dictionary<string, string> Of(string engine) => new() { [Labels.Stack] = "shop", [Labels.Engine] = engine };
}
