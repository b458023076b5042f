using System.Text.Json;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Certificates;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Stacks;
using Dora.Operator.Tests.Certificates;
using Dora.Operator.Tests.Credentials.Database;
using Dora.Operator.Tests.Network;
using Dora.Testing;

namespace Dora.Operator.Tests.Access;

/// <summary>Plans that between them hold every kind of step on every kind of object, made by the planner itself.</summary>
internal static class PlansOfEveryKind
{
    private static readonly DeletionPolicy[] Policies = [DeletionPolicy.Retain, DeletionPolicy.Delete];

    /// <summary>All steps: of new stacks, of running ones whose surroundings differ, and of stacks that lost an engine.</summary>
    public static IReadOnlyList<PlanStep> Steps()
    {
        var steps = new List<PlanStep>();
        foreach (var stack in Stacks())
        {
            var plan = StackPlanner.Plan(StackObservation.Nowhere(stack, new()));
            Assert.Empty(plan.Violations);
            var running = Running(stack, plan);
            steps.AddRange(plan.Steps);
            steps.AddRange(StackPlanner.Plan(running).Steps);
            foreach (var engine in stack.Spec.Engines.Keys)
                steps.AddRange(StackPlanner.Plan(running with { Stack = Without(stack, engine) }).Steps);
        }

        steps.AddRange(OfCertificates());
        steps.AddRange(OfProbes());
        steps.AddRange(OfMesh());
        steps.AddRange(OfLogins());
        steps.AddRange(OfSchedules());
        steps.AddRange(OfLostBackups());
        return steps;
    }

    /// <summary>A backup and a drill whose time has come.</summary>
    private static IEnumerable<PlanStep> OfSchedules()
    {
        var world = new Backups.BackupWorld();
        world.Settle();
        return StackPlanner.Plan(world.Observation with { Now = world.Now.AddDays(8) }).Steps;
    }

    /// <summary>A backup that a run removed, and one that went long ago.</summary>
    private static IEnumerable<PlanStep> OfLostBackups()
    {
        var world = new Backups.BackupWorld();
        var (old, last) = (Backups.BackupWorld.Stored("old", world.Now.AddDays(-2)), Backups.BackupWorld.Stored("last", world.Now));
        world.Backups.AddRange([old, last with { Status = last.Status! with { Removed = [old.Status!.Id!] } }, Backups.BackupWorld.Backup("gone", new(RunPhase.Gone, GoneAt: world.Now.AddDays(-31)))]);
        return StackPlanner.Plan(world.Observation).Steps;
    }

    /// <summary>A login that Vault gave.</summary>
    private static IEnumerable<PlanStep> OfLogins()
    {
        var observed = StackObservation.Nowhere(LoginWorld.Read("{staticRole: compliance.clerk}"), new()) with
        {
            Logins = new Dictionary<string, LoginReading> { [LoginWorld.SecretOf("postgres")] = new(new(new("clerk", "password"), null, DateTimeOffset.MaxValue, default)) },
        };
        return StackPlanner.Plan(observed).Steps;
    }

    /// <summary>Certificates from the stack's own authority, from the first to a rotation, and from cert-manager.</summary>
    private static IEnumerable<PlanStep> OfCertificates()
    {
        var world = CertificateWorld.Issued();
        world.Annotate("now");
        var foreign = new CertificateWorld("{tier: Development, engines: {redis: {}}, tls: {issuer: CertManager, issuerRef: {name: corporate}}}");
        var objects = CertificatePlan.Of(foreign.Context, foreign.Wanted, foreign.Observation with { CertManager = true }, serving: true).Objects;
        return
        [
            .. new CertificateWorld().Plan().Steps,
            .. world.Plan().Steps,
            .. objects.Select(manifest => new PlanStep.Apply(manifest, "hash", ObjectChangeKind.Missing)),
            .. objects.Select(manifest => new PlanStep.Prune(manifest.Resource, manifest.Name, "uid")),
        ];
    }

    /// <summary>What a mesh is told, and its end.</summary>
    private static IEnumerable<PlanStep> OfMesh()
    {
        var stack = Stacks().First();
        stack = stack with { Spec = stack.Spec with { StackVersion = StackVersions.Newest, Network = new(Mesh: NetworkMesh.Istio) } };
        var plan = StackPlanner.Plan(StackObservation.Nowhere(stack, new()) with { Mesh = true });
        var running = Running(stack, plan) with { Stack = stack with { Spec = stack.Spec with { Network = new() } }, Mesh = true };
        return [.. plan.Steps, .. StackPlanner.Plan(running).Steps];
    }

    /// <summary>A try of the network, and the end of one that is not wanted.</summary>
    private static IEnumerable<PlanStep> OfProbes()
    {
        var world = new ProbeWorld();
        var begun = world.Plan().Steps;
        world.Started();
        return [.. begun, .. world.Plan(world.Without).Steps];
    }

    /// <summary>An object by its kind.</summary>
    public static IKubeObject Typed(Manifest manifest) => manifest.Resource.Plural switch
    {
        "statefulsets" => manifest.Body.Deserialize(KubeTypes.StatefulSets.Json)!,
        "deployments" => manifest.Body.Deserialize(KubeTypes.Deployments.Json)!,
        "services" => manifest.Body.Deserialize(KubeTypes.Services.Json)!,
        "configmaps" => manifest.Body.Deserialize(KubeTypes.ConfigMaps.Json)!,
        "serviceaccounts" => manifest.Body.Deserialize(KubeTypes.ServiceAccounts.Json)!,
        "roles" => manifest.Body.Deserialize(KubeTypes.Roles.Json)!,
        "rolebindings" => manifest.Body.Deserialize(KubeTypes.RoleBindings.Json)!,
        "poddisruptionbudgets" => manifest.Body.Deserialize(KubeTypes.PodDisruptionBudgets.Json)!,
        "networkpolicies" => manifest.Body.Deserialize(KubeTypes.NetworkPolicies.Json)!,
        "peerauthentications" => manifest.Body.Deserialize(KubeTypes.PeerAuthentications.Json)!,
        "certificates" => manifest.Body.Deserialize(KubeTypes.Certificates.Json)!,
        "persistentvolumeclaims" => manifest.Body.Deserialize(KubeTypes.PersistentVolumeClaims.Json)!,
        _ => throw new ArgumentException($"{manifest.Resource} is rendered by an engine, but not known here", nameof(manifest)),
    };

    private static IEnumerable<ComplianceStack> Stacks() =>
        from file in Directory.EnumerateFiles(Path.Combine(GoldenFile.RepositoryRoot, "config/samples"), "*.yaml")
        where Path.GetFileName(file) != "kustomization.yaml"
        from stack in StackFile.Read(File.ReadAllText(file))
        from tier in Enum.GetValues<Tier>()
        from policy in Policies
        select stack with
        {
            Metadata = stack.Metadata with { Uid = "stack-uid" },
            Spec = stack.Spec with { Tier = tier, DeletionPolicy = policy, Paused = false },
        };

    private static ComplianceStack Without(ComplianceStack stack, string engine) =>
        stack with { Spec = stack.Spec with { Engines = stack.Spec.Engines.Where(pair => pair.Key != engine).ToDictionary() } };

    /// <summary>
    /// All that was planned exists, and nothing of it is as wanted: claims and Secrets have the other owner, claims are too small,
    /// no pod carries a role or runs the newest template, a database is missing, no Secret has an address, and Vault holds no passwords.
    /// </summary>
    private static StackObservation Running(ComplianceStack stack, StackPlan plan)
    {
        var owned = stack.Spec.DeletionPolicy == DeletionPolicy.Delete;
        var live = plan.Steps.OfType<PlanStep.Apply>().Select(step => step.Manifest).Concat(Claims(stack, plan)).ToDictionary(
            manifest => new ObjectId(manifest.Resource, manifest.Name),
            manifest => new LiveObject(manifest.Resource, Typed(manifest) is StatefulSet workload ? workload with { Status = new(UpdateRevision: "newer") } : Typed(manifest), () => manifest.Body));
        var pods = new List<Pod>();
        var health = new Dictionary<string, EngineHealth>();
        foreach (var engine in plan.Engines)
        {
            string[] names = [.. Enumerable.Range(0, engine.Cluster.Instances).Select(ordinal => $"{engine.Cluster.WorkloadName}-{ordinal}")];
            pods.AddRange(names.Select(name => new Pod(new(name, stack.Metadata.Namespace, Uid: name, Labels: Identity(stack, engine)))));
            health[engine.Engine.Name] = new(EngineVerdict.Degraded, [.. names.Select(name => new MemberHealth(name, MemberRole.Replica, Serving: true))], names[0], null, "", ["CreateAppDatabase"]);
            foreach (var name in engine.Cluster.RuntimeConfigMaps)
            {
                var map = Manifest.Of(KubeTypes.ConfigMaps, new(new(name, stack.Metadata.Namespace, Labels: Identity(stack, engine))));
                live[new(map.Resource, name)] = new(map.Resource, Typed(map), () => map.Body);
            }
        }

        var secrets = plan.Engines.SelectMany(engine => engine.Cluster.Credentials()).ToDictionary(
            request => request.SecretName,
            request => (SecretReading)new SecretReading.Found(request.Fields.Where(field => field.Key != "uri").ToDictionary(field => field.Key, _ => "value"), !owned));
        var certificates = CertificateWorld.Of(stack, plan.Engines);
        foreach (var (name, secret) in certificates.Secrets)
            secrets[name] = secret;
        var vault = plan.Engines.SelectMany(engine => engine.Cluster.Credentials()).ToDictionary(
            request => request.SecretName,
            request => (VaultReading)new VaultReading.Absent("kv/x"));
        return StackObservation.Nowhere(stack, new()) with { Now = certificates.Now, Live = live, Pods = pods, Health = health, Credentials = secrets, Vault = vault };
    }

    /// <summary>One claim of the stack's and one of nobody's, both smaller than any wish.</summary>
    private static IEnumerable<Manifest> Claims(ComplianceStack stack, StackPlan plan) =>
        from engine in plan.Engines
        from owner in new[] { stack.Metadata.Uid, null }
        select Manifest.Of(KubeTypes.PersistentVolumeClaims, new(
            new(
                $"data-{engine.Cluster.WorkloadName}-{(owner is null ? 0 : 1)}",
                stack.Metadata.Namespace,
                Labels: Identity(stack, engine),
                OwnerReferences: owner is null ? null : [new(StackResource.ApiVersion, StackResource.Kind, stack.Metadata.Name!, owner)]),
            new(Resources: new(Requests: new Dictionary<string, string> { ["storage"] = "1Mi" })),
            new("Bound")));

    private static Dictionary<string, string> Identity(ComplianceStack stack, BoundEngine engine) => new()
    {
        [Labels.Stack] = stack.Metadata.Name!,
        [Labels.Engine] = engine.Engine.Name,
        [Labels.ManagedBy] = Labels.ManagedByValue,
    };
}
