using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Access;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;
using Dora.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Access;

public sealed class OperatorAccessTests
{
    /// <summary>What is called apart from plans and informers: status, owner references, reading of Secrets, events.</summary>
    private static readonly Right[] Otherwise =
    [
        new(StackResource.Group, "compliancestacks/status", "patch"),
        new(StackResource.Group, "compliancestacks/finalizers", "update"),
        // What controllers of backups and restores do.
        new(StackResource.Group, "compliancestacks", "create"),
        new(StackResource.Group, "compliancebackups/status", "patch"),
        new(StackResource.Group, "compliancerestores/status", "patch"),
        new("", "persistentvolumeclaims", "create"),
        new("", "secrets", "get"),
        new("cert-manager.io", "certificates", "get"),
        new("security.istio.io", "peerauthentications", "list"),
        // The certificates that sign a Vault's, by name.
        new("", "configmaps", "get"),
        new("events.k8s.io", "events", "create"),
        new("events.k8s.io", "events", "patch"),
    ];

    private static readonly HashSet<Right> Held = [.. PolicyRules.Rights(OperatorAccess.Stacks)];

    [Fact]
    public void Every_step_of_every_plan_is_allowed()
    {
        var steps = PlansOfEveryKind.Steps();
        Assert.Equal(typeof(PlanStep).GetNestedTypes().Length, steps.Select(step => step.GetType()).Distinct().Count());
        Assert.Empty(steps.SelectMany(Needed).Distinct().Except(Held));
    }

    [Fact]
    public void Every_informer_is_allowed() => Assert.Empty(Watched().Except(Held));

    [Fact]
    public void Everything_that_an_engine_grants_is_held() =>
        Assert.Empty(PolicyRules.Rights(PlansOfEveryKind.Steps().OfType<PlanStep.Apply>()
            .Where(step => step.Manifest.Resource == KubeTypes.Roles.Resource)
            .SelectMany(step => PlansOfEveryKind.Typed(step.Manifest) is Role { Rules: { } rules } ? rules : [])).Except(Held));

    [Fact]
    public void No_right_is_superfluous()
    {
        var used = PlansOfEveryKind.Steps().SelectMany(Needed)
            .Concat(Watched())
            .Concat(PolicyRules.Rights(EngineCatalogue.All.SelectMany(engine => engine.Grants)))
            .Concat(Otherwise);
        Assert.Empty(Held.Except(used));
    }

    [Fact]
    public void Secrets_are_never_listed_nor_deleted() =>
        Assert.Equal(["create", "get", "patch"], Held.Where(right => right.Resource == "secrets").Select(right => right.Verb).Order());

    [Fact]
    public void No_rule_holds_a_wildcard_or_a_way_to_more_rights() =>
        Assert.DoesNotContain(
            PolicyRules.Rights([.. OperatorAccess.Stacks, .. OperatorAccess.Cluster, .. OperatorAccess.Lease]),
            right => right.Verb is "*" or "escalate" or "bind" or "impersonate" || right.Resource.Contains('*', StringComparison.Ordinal) || right.Resource is "pods/exec" or "nodes");

    [Fact]
    public void What_belongs_to_no_namespace_is_only_read_and_by_name_but_for_namespaces() =>
        Assert.All(OperatorAccess.Cluster, rule => Assert.Equal(rule.Resources is ["namespaces"] ? ["list"] : ["get"], rule.Verbs));

    [Fact]
    public void The_lease_is_taken_by_name() =>
        Assert.All(OperatorAccess.Lease.Where(rule => !rule.Verbs.Contains("create")), rule => Assert.Equal([OperatorAccess.LeaseName], rule.ResourceNames));

    [Fact]
    public void The_policies_of_engines_let_in_the_pods_that_are_deployed()
    {
        var labels = KubeYaml.Read(File.ReadAllText(Path.Combine(GoldenFile.RepositoryRoot, "config/manager/deployment.yaml")))!["spec"]!["template"]!["metadata"]!["labels"]!;
        Assert.Equal(Labels.OperatorName, (string?)labels[Labels.Name]);
        Assert.Contains($"{Labels.Name}: {Labels.OperatorName}\n", File.ReadAllText(Path.Combine(GoldenFile.RepositoryRoot, "helm/dora-operator/templates/_names.tpl")), StringComparison.Ordinal);
    }

    [Fact]
    public void Compacting_keeps_every_right()
    {
        PolicyRule[] rules = [new(["watch", "get"], [""], ["pods", "secrets"]), new(["get"], ["apps"], ["pods"]), new(["list", "get"], [""], ["pods"])];
        var compact = PolicyRules.Compact(rules);
        Assert.Equal(PolicyRules.Rights(rules).ToHashSet(), PolicyRules.Rights(compact).ToHashSet());
        Assert.Equal(["get list watch", "get watch", "get"], compact.Select(rule => string.Join(' ', rule.Verbs)));
    }

    [Fact]
    public void The_repository_holds_what_generate_writes()
    {
        foreach (var (path, content) in GenerateCommand.Files())
        {
            var file = Path.Combine(GoldenFile.RepositoryRoot, path);
            Assert.True(File.Exists(file) && File.ReadAllText(file) == content, $"{path} differs from the code; run `dora-operator generate`");
        }
    }

    private static IEnumerable<Right> Needed(PlanStep step) => step switch
    {
        PlanStep.Apply apply => [On(apply.Manifest.Resource, "patch"), On(apply.Manifest.Resource, "create")],
        PlanStep.Prune prune => [On(prune.Resource, "delete")],
        PlanStep.CreateCredential => [On(KubeTypes.Secrets.Resource, "create")],
        PlanStep.WriteAuthority or PlanStep.WriteCertificate or PlanStep.WriteLogin => [On(KubeTypes.Secrets.Resource, "create"), On(KubeTypes.Secrets.Resource, "patch")],
        PlanStep.CompleteCredential => [On(KubeTypes.Secrets.Resource, "get"), On(KubeTypes.Secrets.Resource, "patch")],
        PlanStep.AdoptCredential => [On(KubeTypes.Secrets.Resource, "get")],
        PlanStep.GrowClaim => [On(KubeTypes.PersistentVolumeClaims.Resource, "patch")],
        PlanStep.SetOwner owner => [On(owner.Resource, "patch")],
        PlanStep.RestartMember => [On(KubeTypes.Pods.Resource, "delete")],
        PlanStep.LabelRole => [On(KubeTypes.Pods.Resource, "patch")],
        PlanStep.RunProbe => [On(KubeTypes.Jobs.Resource, "create")],
        PlanStep.EndProbe => [On(KubeTypes.Jobs.Resource, "delete")],
        PlanStep.RunSearch => [On(KubeTypes.ConfigMaps.Resource, "create"), On(KubeTypes.Jobs.Resource, "create")],
        PlanStep.RecordBackup => [new(StackResource.Group, "compliancebackups/status", "patch")],
        PlanStep.Discard discard => [On(discard.Resource, "delete")],
        PlanStep.BeginRun { Run: ComplianceBackup } => [On(BackupResource.Type.Resource, "create")],
        PlanStep.BeginRun => [On(RestoreResource.Type.Resource, "create")],
        PlanStep.Command => [],
        _ => throw new ArgumentException($"say which rights {step.GetType().Name} needs", nameof(step)),
    };

    private static List<Right> Watched()
    {
        var clock = new ManualClock();
        using var client = new KubeClient(new(new("https://127.0.0.1:1")), new(), clock, NullLogger<KubeClient>.Instance);
        var view = new ClusterView(client, [], new(KubeTypes.PodDisruptionBudgets), _ => { }, (_, _) => { }, clock, NullLogger.Instance);
        return [.. view.Kinds.Select(kind => kind.Resource).Concat([StackResource.Type.Resource, BackupResource.Type.Resource, RestoreResource.Type.Resource]).SelectMany(resource => new[] { On(resource, "list"), On(resource, "watch") })];
    }

    private static Right On(KubeResource resource, string verb) => new(resource.Group, resource.Plural, verb);
}
