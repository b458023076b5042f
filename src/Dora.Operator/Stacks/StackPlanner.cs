using System.Text.Json;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Backups;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials.Database;

namespace Dora.Operator.Stacks;

/// <summary>Decides what to do to a stack. Pure: the same observation gives the same plan.</summary>
public static class StackPlanner
{
    /// <summary>Longest stack name: names of pods and revisions are derived from it and end at 63.</summary>
    public const int LongestName = 40;

    /// <summary>The plan for what was observed.</summary>
    public static StackPlan Plan(StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(observed);
        var violations = StackViolations(observed.Stack).ToList();
        var blocked = violations.Count > 0;
        var engines = Bind(observed, violations);
        var free = !observed.Stack.Spec.Paused && observed.Stack.Metadata.DeletionTimestamp is null;
        var certificates = Certificates(engines, observed);
        // What the settings of a login do not allow is asked of nobody; else applications keep a login that is valid, whatever is wrong.
        var logins = engines.Where(engine => !LoginRules.Check(engine.Cluster, observed).Any()).SelectMany(engine => engine.Cluster.VaultLogins.Select(login => (engine.Engine.Name, Login: login))).ToList();
        var questions = logins.Select(login => LoginRules.Next(login.Login, observed)).OfType<LoginQuestion>().ToList();
        var given = free ? logins.Select(login => LoginRules.Step(login.Name, login.Login, observed)).OfType<PlanStep>() : [];
        // Whatever is wrong with the spec, clients must find the master that the servers elected, and no certificate may run out.
        if (blocked)
        {
            return new([.. free ? CertificateSteps(certificates, [], observed).Concat(engines.SelectMany(engine => Roles(engine, observed))) : [], .. given], violations, engines)
            {
                // What was missed while nothing could be carried out is caught up.
                Schedules = observed.Stack.Status?.Backups?.Schedules ?? [],
                Searches = observed.Stack.Status?.Backups?.Searches ?? [],
                Questions = questions,
                Certificates = certificates,
                Unsigned = free ? [.. Allowed(certificates.Unsigned, []).OfType<PlanStep.WriteCertificate>()] : [],
            };
        }

        var steps = new List<PlanStep>();
        var wanted = certificates.Objects.Select(manifest => new ObjectId(manifest.Resource, manifest.Name)).ToHashSet();
        var claims = new List<ClaimPlan>();
        var sound = new HashSet<string>(StringComparer.Ordinal);
        var policies = new List<Network.WantedPolicy>();
        foreach (var engine in engines)
        {
            var found = engine.Cluster.Validate(engine.Observed).Concat(Credentials.CredentialRules.Check(engine, observed)).Concat(LoginRules.Check(engine.Cluster, observed)).Concat(certificates.Violations(engine.Engine.Name)).ToList();
            var desired = Held(engine, engine.Cluster.Render(engine.Observed));
            if (!observed.Mesh)
                desired = [.. desired.Where(manifest => manifest.Resource != KubeTypes.PeerAuthentications.Resource)];
            wanted.UnionWith(desired.Select(manifest => new ObjectId(manifest.Resource, manifest.Name)));
            policies.AddRange(desired.Where(manifest => manifest.Resource == KubeTypes.NetworkPolicies.Resource).Select(manifest => new Network.WantedPolicy(engine, manifest, Apply(manifest, observed) is null)));
            found.AddRange(Collisions(engine, desired, observed));
            violations.AddRange(found.Except(violations));
            if (found.Count == 0)
                sound.Add(engine.Engine.Name);
            claims.Add(ClaimPlan.Of(engine, desired, observed));
            if (free)
                steps.AddRange(found.Count == 0 ? EngineSteps(engine, desired, claims[^1], observed) : Roles(engine, observed));
        }

        var access = observed.Stack.Spec.Backup is null ? [] : BackupPods.Access(Context(observed.Stack, observed.Images, observed.Capabilities), [.. engines.SelectMany(engine => engine.Cluster.Backups).SelectMany(tool => tool.Ports).Distinct().Order()], observed.Stack.Spec.Backup.Encryption.Vault is { } transit ? transit.Address ?? observed.Stack.Spec.Credentials?.Vault?.Address : null).ToList();
        wanted.UnionWith(access.Select(manifest => new ObjectId(manifest.Resource, manifest.Name)));
        if (free)
            steps.AddRange(access.Select(manifest => Apply(manifest, observed)).OfType<PlanStep.Apply>());
        var shut = Network.ProbeRules.Wish(observed.Stack) is null ? null : NetworkProbeJob.Shut(Context(observed.Stack, observed.Images, observed.Capabilities));
        var network = new Network.NetworkPlan(policies, shut, ShutInPlace: shut is not null && Apply(shut, observed) is null);
        if (shut is not null)
            wanted.Add(new(shut.Resource, shut.Name));
        if (free && shut is not null && Apply(shut, observed) is { } apply)
            steps.Add(apply);
        List<string> covered = [.. engines.Where(engine => engine.Cluster.Backups.Count > 0).Select(engine => engine.Engine.Name)];
        var searches = Backups.FindRules.Of(covered, observed, free && violations.Count == 0);
        wanted.UnionWith(searches.Wanted);
        if (free)
            steps.InsertRange(0, CertificateSteps(certificates, sound, observed));
        steps.AddRange(given);
        // A settings error may hide what an engine wants; then nothing of the stack is removed.
        if (violations.Count == 0 && free)
            steps.AddRange(Prunes(engines, wanted, observed));
        if (free)
            steps.AddRange(Network.ProbeRules.Steps(network, observed, sound: violations.Count == 0));
        var schedules = Backups.ScheduleRules.Of(covered, observed, free && violations.Count == 0);
        steps.AddRange(schedules.Steps.Concat(searches.Steps));
        if (free)
            steps.AddRange(Backups.GoneRules.Steps(observed));
        return new(steps, violations, engines)
        {
            Network = network,
            Schedules = schedules.Status,
            Searches = searches.Searches,
            Certificates = certificates,
            Questions = questions,
            Rotations = free ? Operator.Credentials.Rotation.RotationPlan.Of(engines.Where(engine => sound.Contains(engine.Engine.Name)), observed) : [],
            Volumes = [.. claims.SelectMany(plan => plan.Problems)],
            Unsigned = free ? [.. Allowed(certificates.Unsigned, sound).OfType<PlanStep.WriteCertificate>()] : [],
            Unread = [.. claims.SelectMany(plan => plan.Unread).Distinct()],
        };
    }

    /// <summary>
    /// What to remove when a stack is gone. Patroni may write its election's state once more while it stops, after the garbage
    /// collector took it away. Without any volume that state is of no use, and a later cluster of that name would trip over it.
    /// </summary>
    public static IReadOnlyList<PlanStep.Prune> PlanAfterDeletion(IReadOnlyCollection<LiveObject> left)
    {
        ArgumentNullException.ThrowIfNull(left);
        // Pods of backups belong to their records, which outlive the stack.
        if (left.Any(live => live.Object is PersistentVolumeClaim or StatefulSet || (live.Object is Pod && live.Meta.Label(Labels.Engine) is not null)))
            return [];
        return [.. left
            .Where(live => live.Object is ConfigMap && live.Meta.OwnerReferences is null or [] && live.Meta.Annotation(Labels.AppliedHash) is null)
            .Select(live => new PlanStep.Prune(live.Resource, live.Meta.Name!, live.Meta.Uid!))];
    }

    /// <summary>The context that a stack gives its engines.</summary>
    public static StackContext Context(ComplianceStack stack, ImageSource images, ClusterCapabilities capabilities)
    {
        ArgumentNullException.ThrowIfNull(stack);
        return new(
            stack.Metadata.Namespace ?? "default",
            stack.Metadata.Name ?? throw new ArgumentException("the stack has no name", nameof(stack)),
            stack.Metadata.Uid ?? "",
            stack.Spec.Tier,
            stack.Spec.StackVersion,
            stack.Spec.DeletionPolicy,
            images,
            capabilities,
            stack.Spec.Pods,
            stack.Spec.Network,
            stack.Spec.Tls ?? new())
        {
            Backup = stack.Spec.Backup,
            RestartTogether = (stack.Metadata.Annotation(Labels.RestartTogether) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).ToHashSet(StringComparer.Ordinal),
        };
    }

    private static IEnumerable<Violation> StackViolations(ComplianceStack stack)
    {
        var name = stack.Metadata.Name ?? "";
        if (name.Length > LongestName)
            yield return new("metadata.name", $"{name.Length} characters are too many", $"use at most {LongestName}: names of pods and revisions are derived from it and end at 63", "NameTooLong");
        if (name.Length == 0 || !char.IsAsciiLetterLower(name[0]) || name.Contains('.', StringComparison.Ordinal))
            yield return new("metadata.name", $"'{name}' cannot name Services", "start with a letter and use only lower-case letters, digits and '-'", "NameInvalid");
        if (!StackVersions.All.Contains(stack.Spec.StackVersion))
            yield return new("spec.stackVersion", $"'{stack.Spec.StackVersion}' is not known to this operator", $"choose one of {string.Join(", ", StackVersions.All)}, or upgrade the operator", "UnknownStackVersion");
        if (stack.Spec.Engines.Count == 0)
            yield return new("spec.engines", "no engine is asked for", $"add at least one of {string.Join(", ", EngineCatalogue.All.Select(engine => engine.Name))}");
        foreach (var key in stack.Spec.Engines.Keys)
        {
            if (EngineCatalogue.Find(key) is null)
                yield return new($"spec.engines.{key}", "no such engine", $"choose from {string.Join(", ", EngineCatalogue.All.Select(engine => engine.Name))}", "UnknownEngine");
        }

        foreach (var violation in PodRules.OfStack(stack.Spec.Pods).Concat(NetworkRules.Check(stack.Spec.Network, stack.Spec.StackVersion)).Concat(Credentials.VaultRules.Check(stack)).Concat(Credentials.Rotation.RotationRules.Check(stack)).Concat(TlsRules.Check(stack.Spec.Tls)).Concat(MaintenanceSettings.Check(stack.Spec.Maintenance)).Concat(Operator.Certificates.VaultPkiRules.Check(stack.Spec)).Concat(Backups.BackupSettingsRules.Check(stack.Spec)))
            yield return violation;
    }

    private static List<BoundEngine> Bind(StackObservation observed, List<Violation> violations)
    {
        var context = Context(observed.Stack, observed.Images, observed.Capabilities);
        var bound = new List<BoundEngine>();
        foreach (var engine in EngineCatalogue.All)
        {
            if (!observed.Stack.Spec.Engines.TryGetValue(engine.Name, out var settings))
                continue;
            try
            {
                var cluster = engine.Bind(context, settings);
                bound.Add(new(engine, cluster, Observation(engine.Name, cluster, observed)));
            }
            catch (JsonException exception)
            {
                violations.Add(SettingsError.Explain($"spec.engines.{engine.Name}", exception));
            }
        }

        return bound;
    }

    private static EngineObservation Observation(string engine, IEngineCluster cluster, StackObservation observed)
    {
        var held = Backups.RestoreRules.Holds(observed.Stack.Metadata.Name ?? "", engine, observed.Restores);
        // What was found before its servers stopped says nothing of those that come.
        var health = held is null ? observed.Health.GetValueOrDefault(engine) : null;
        var workloads = Of<StatefulSet>(engine, observed);
        var members = EngineTargets.Members(engine, observed);
        var status = observed.Stack.Status?.Engines?.FirstOrDefault(status => status.Name == engine);
        return new(
            held is null ? status : status is null ? null : status with { Primary = FirstMember(cluster) },
            health,
            workloads.FirstOrDefault(workload => workload.Metadata.Name == cluster.WorkloadName),
            Of<PersistentVolumeClaim>(engine, observed),
            RollingChange.Of(cluster.Instances, cluster.WorkloadName, workloads, members, health, cluster.MovesPrimary, Transport.EncryptionRules.Restarts(engine, observed), Apart(cluster, members)),
            Of<Deployment>(engine, observed),
            members)
        {
            HeldBy = held,
            Restored = held is null && Backups.RestoreRules.Starts(observed.Stack.Metadata.Name ?? "", engine, observed.Restores),
            InterruptsPrimary = cluster.MovesPrimary && members.Count > 1 && health is { Primary: { } primary, PrimaryStays: false } && Transport.EncryptionRules.Interrupted(engine, health, observed) == primary,
        };
    }

    /// <summary>The member whose volume a restore fills: the others follow it.</summary>
    internal static string FirstMember(IEngineCluster cluster) => $"{cluster.WorkloadName}-0";

    // While data is laid down no member runs; then the first one may have to come alone. Once others are there, none is taken away.
    private static IReadOnlyList<Manifest> Held(BoundEngine engine, IReadOnlyList<Manifest> desired)
    {
        var observed = engine.Observed;
        var alone = observed.Restored && engine.Cluster.FirstMemberAlone && observed.Health?.Primary is null && observed.Workload?.Spec?.Replicas is null or <= 1;
        if (observed.HeldBy is null && !alone)
            return desired;
        foreach (var manifest in desired.Where(manifest => manifest.Resource == KubeTypes.StatefulSets.Resource && manifest.Name == engine.Cluster.WorkloadName))
            manifest.Body["spec"]!["replicas"] = alone ? 1 : 0;
        return desired;
    }

    // Some speak TLS and some do not, and the two kinds do not find each other: none waits for another's health then.
    private static bool Apart(IEngineCluster cluster, IReadOnlyList<MemberPod> members) =>
        !cluster.MixesTransport && members.Count > 1 && members.Any(member => member.Encrypted != cluster.Endpoints.Count > 0);

    private static List<T> Of<T>(string engine, StackObservation observed)
        where T : IKubeObject => [.. observed.Live.Values.Select(live => live.Object).OfType<T>().Where(item => item.Metadata.Label(Labels.Engine) == engine)];

    private static IEnumerable<Violation> Collisions(BoundEngine engine, IReadOnlyList<Manifest> desired, StackObservation observed)
    {
        foreach (var manifest in desired)
        {
            if (!observed.Live.TryGetValue(new(manifest.Resource, manifest.Name), out var live) || live.Meta.Controller is not { } owner || owner.Uid == observed.Stack.Metadata.Uid)
                continue;
            yield return new(
                $"spec.engines.{engine.Engine.Name}",
                $"{manifest.Resource.Kind} {manifest.Name} belongs to {owner.Kind} {owner.Name}",
                "rename this stack, or delete the other one first",
                "ObjectCollision");
        }
    }

    private static IEnumerable<PlanStep> EngineSteps(BoundEngine engine, IReadOnlyList<Manifest> desired, ClaimPlan claims, StackObservation observed)
    {
        var owned = observed.Stack.Spec.DeletionPolicy == DeletionPolicy.Delete;
        foreach (var step in Credentials.CredentialRules.Steps(engine, observed))
            yield return step;

        var applies = desired.Select(manifest => Apply(manifest, observed)).OfType<PlanStep.Apply>().ToList();
        foreach (var apply in applies)
            yield return apply;
        foreach (var step in claims.Steps.Concat(RuntimeState(engine, owned, observed)).Concat(Roles(engine, observed)))
            yield return step;
        foreach (var command in engine.Cluster.Commands(engine.Observed).Concat(Transport.EncryptionRules.Commands(engine, observed)))
            yield return new PlanStep.Command(engine.Engine.Name, command);
        // What a pod mounts must be as asked before it starts anew.
        if (applies.Count == 0 && engine.Observed.Rolling is { Step: RollingStep.Restart, Pod: { Uid: { } uid } member } rolling)
            yield return new PlanStep.RestartMember(engine.Engine.Name, member.Name, uid, rolling.Reason);
        if (applies.Count == 0 && engine.Observed.Rolling is { Step: RollingStep.RestartAll } all)
        {
            foreach (var one in engine.Observed.Members!.Where(one => all.Outdated.Contains(one.Name) && one is { Ending: false, Uid: not null }))
                yield return new PlanStep.RestartMember(engine.Engine.Name, one.Name, one.Uid!, all.Reason);
        }
    }

    private static Certificates.CertificatePlan Certificates(List<BoundEngine> engines, StackObservation observed)
    {
        var users = engines.Where(engine => engine.Cluster.Certificates.Count > 0).ToList();
        return Operator.Certificates.CertificatePlan.Of(
            Context(observed.Stack, observed.Images, observed.Capabilities),
            users.SelectMany(engine => engine.Cluster.Certificates.Select(request => (engine.Engine.Name, request))),
            observed,
            serving: users.TrueForAll(engine => engine.Observed.Workload is null || engine.Observed.Health?.Verdict == EngineVerdict.Healthy));
    }

    // Clients learn of a root before a server shows a certificate of it. For engines with something wrong nothing new is made, and
    // what serves goes on serving.
    private static IEnumerable<PlanStep> CertificateSteps(Certificates.CertificatePlan certificates, HashSet<string> sound, StackObservation observed) =>
        Allowed(certificates.Objects.Select(manifest => Apply(manifest, observed)).OfType<PlanStep>().Concat(certificates.Steps), sound);

    private static IEnumerable<PlanStep> Allowed(IEnumerable<PlanStep> steps, HashSet<string> sound) => steps.Where(step => step switch
    {
        PlanStep.WriteCertificate { Change: CertificateChange.Create } create => sound.Contains(create.Engine),
        PlanStep.WriteAuthority { Change: AuthorityChange.Create } or PlanStep.Apply { Change: ObjectChangeKind.Missing } => sound.Count > 0,
        _ => true,
    });

    private static PlanStep.Apply? Apply(Manifest manifest, StackObservation observed)
    {
        if (observed.Unreadable.ContainsKey(manifest.Resource))
            return null;
        var live = observed.Live.GetValueOrDefault(new(manifest.Resource, manifest.Name));
        var (sealedManifest, hash) = DesiredState.Seal(manifest, live);
        if (observed.Pending.GetValueOrDefault(new(manifest.Resource, manifest.Name)) == hash)
            return null;
        if (live is null)
            return new(sealedManifest, hash, ObjectChangeKind.Missing);
        if (live.Meta.Annotation(Labels.AppliedHash) != hash)
            return new(sealedManifest, hash, ObjectChangeKind.Changed);
        var body = live.Body();
        return DesiredState.Holds(sealedManifest.Body, body)
            ? null
            : new(sealedManifest, hash, ObjectChangeKind.Drifted, DesiredState.ListRepair(sealedManifest.Body, body));
    }

    private static IEnumerable<PlanStep> RuntimeState(BoundEngine engine, bool owned, StackObservation observed)
    {
        foreach (var name in engine.Cluster.RuntimeConfigMaps)
        {
            if (observed.Live.TryGetValue(new(KubeTypes.ConfigMaps.Resource, name), out var map) && map.Meta.OwnedBy(observed.Stack) != owned)
                yield return new PlanStep.SetOwner(KubeTypes.ConfigMaps.Resource, name, owned);
        }
    }

    // The old master loses its label first: for a moment no Service leads to a master, never to two.
    private static IEnumerable<PlanStep> Roles(BoundEngine engine, StackObservation observed)
    {
        if (!engine.Cluster.OperatorLabelsRoles || engine.Observed.Health is not { Primary: { } primary } health)
            yield break;
        foreach (var member in health.Members.Where(member => member.Role != MemberRole.Arbiter).OrderBy(member => member.Pod == primary))
        {
            var role = member.Pod == primary ? Labels.PrimaryRole : Labels.ReplicaRole;
            var pod = observed.Pods.FirstOrDefault(pod => pod.Metadata.Name == member.Pod);
            if (pod is not null && pod.Metadata.Label(Labels.Role) != role)
                yield return new PlanStep.LabelRole(member.Pod, role);
        }
    }

    private static IEnumerable<PlanStep> Prunes(IReadOnlyList<BoundEngine> engines, HashSet<ObjectId> wanted, StackObservation observed)
    {
        var names = engines.Select(engine => engine.Engine.Name).ToHashSet(StringComparer.Ordinal);
        foreach (var (id, live) in observed.Live)
        {
            // Jobs come and go by rules of their own.
            if (wanted.Contains(id) || live.Object is Job || live.Meta.DeletionTimestamp is not null || !live.Meta.OwnedBy(observed.Stack))
                continue;
            var data = id.Resource == KubeTypes.PersistentVolumeClaims.Resource || live.Meta.Annotation(Labels.AppliedHash) is null;
            if (!data || !names.Contains(live.Meta.Label(Labels.Engine) ?? ""))
                yield return new PlanStep.Prune(id.Resource, id.Name, live.Meta.Uid!);
        }
    }

    /// <summary>Whether an object goes with the stack.</summary>
    internal static bool OwnedBy(this ObjectMeta meta, ComplianceStack stack) =>
        meta.OwnerReferences?.Any(owner => owner.Uid == stack.Metadata.Uid) == true;
}
