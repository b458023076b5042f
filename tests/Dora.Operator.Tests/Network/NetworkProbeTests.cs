using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Network;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Network;

/// <summary>Whether the network keeps out whom it must, as a pod tried.</summary>
public sealed class NetworkProbeTests
{
    [Fact]
    public void Without_the_wish_nothing_is_tried_and_nothing_is_claimed()
    {
        var world = new ProbeWorld("{}");
        Assert.Empty(world.ProbeSteps());
        var condition = world.Pass();
        Assert.Equal(("Unknown", "NotProbed"), (condition.Status, condition.Reason));
        Assert.Contains("spec.network.probe", condition.Message, StringComparison.Ordinal);
        Assert.Matches("^sha256:[0-9a-f]{64}$", world.Status!.Policies);
        Assert.Null(world.Status.Probe);
    }

    [Fact]
    public void One_Job_tries_what_the_policies_name_and_what_they_must_not_open()
    {
        var world = new ProbeWorld();
        world.Started();
        // By default every pod of the namespace is a client: what clients use shows that this pod can connect at all.
        Assert.Equal(
            [
                "probe-network", "--control", "kubernetes",
                "--target", "shop-postgres-0=10.0.0.1:8008", "--target", "shop-postgres-0=10.0.0.1:1", "--control", "shop-postgres-0=10.0.0.1:5432",
                "--target", "shop-redis-0=10.0.0.2:1", "--control", "shop-redis-0=10.0.0.2:6379",
            ],
            world.Arguments);
        Assert.Equal(("NotProbed", 0), (world.Pass().Reason, world.ProbeSteps().Count()));
    }

    [Fact]
    public void Where_nobody_is_a_client_every_port_is_forbidden_also_those_where_nobody_listens()
    {
        var world = new ProbeWorld("{clients: [], probe: {}}", "{influxdb: {version: '1.6'}, neo4j: {}}");
        world.Members.Clear();
        world.Members["shop-influxdb-0"] = "fd00::1";
        world.Members["shop-neo4j-0"] = "fd00::2";
        world.Started();
        Assert.Equal("kubernetes", Assert.Single(world.Arguments.Skip(1).Chunk(2), pair => pair[0] == "--control")[1]);
        Assert.Contains("shop-influxdb-0=[fd00::1]:8088", world.Arguments);
        Assert.Superset(new HashSet<string> { "shop-neo4j-0=[fd00::2]:6000", "shop-neo4j-0=[fd00::2]:7687" }, world.Arguments.ToHashSet());
    }

    [Fact]
    public void What_depends_on_addresses_or_on_labels_of_namespaces_is_not_judged()
    {
        var world = new ProbeWorld("{clients: [{namespaceSelector: {matchLabels: {team: a}}}, {cidr: 10.0.0.0/8}], probe: {}}");
        world.Started();
        Assert.Equal(
            ["kubernetes", "shop-postgres-0=10.0.0.1:8008", "shop-postgres-0=10.0.0.1:1", "shop-redis-0=10.0.0.2:1"],
            world.Arguments.Skip(1).Chunk(2).Select(pair => pair[1]));
    }

    [Fact]
    public void The_pod_has_no_label_of_an_engine_no_token_and_no_rights()
    {
        var world = new ProbeWorld();
        world.Started();
        var (pod, labels) = (world.Job!.Spec!.Template.Spec, world.Job.Spec.Template.Metadata.Labels!);
        Assert.False(labels.ContainsKey(Labels.Engine));
        Assert.Equal("network-probe", labels[Labels.Name]);
        Assert.False(pod.AutomountServiceAccountToken);
        Assert.True(pod.SecurityContext!.RunAsNonRoot);
        Assert.True(pod.Containers[0].SecurityContext!.ReadOnlyRootFilesystem);
        Assert.Equal("shop", world.Job.Metadata.Controller!.Name);
        Assert.InRange(world.Job.Spec.ActiveDeadlineSeconds!.Value, 60, 600);
        Assert.Equal(0, world.Job.Spec.BackoffLimit);
    }

    [Fact]
    public void What_was_reached_is_named_and_kept_before_the_Job_goes()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(argument => argument.EndsWith(":1", StringComparison.Ordinal) ? 'r' : 'o');
        var condition = world.Pass();
        Assert.Equal(("False", "PolicyIgnored"), (condition.Status, condition.Reason));
        Assert.Contains("shop-postgres-0:8008", condition.Message, StringComparison.Ordinal);
        var probe = world.Status!.Probe!;
        Assert.Equal((NetworkProbeResult.PolicyIgnored, 3, world.Now.AddSeconds(30)), (probe.Result, probe.Attempts, probe.ProbedAt));
        Assert.Equal(["shop-postgres-0:8008"], probe.Reached);

        Assert.Equal(probe.Job, Assert.IsType<PlanStep.EndProbe>(Assert.Single(world.ProbeSteps())).Name);
        Assert.Equal(condition, world.Pass());
        Assert.Empty(world.ProbeSteps());
        Assert.Equal(condition, world.Pass());
    }

    [Fact]
    public void Enforced_is_what_let_in_whom_it_should_and_kept_out_the_rest()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(InIsShut);
        Assert.Equal(("Unknown", "NotProbed"), (world.Pass().Status, world.Pass().Reason));
        var condition = world.WayOut(_ => 't');
        Assert.Equal(("True", "Enforced"), (condition.Status, condition.Reason));
        Assert.Contains("6 connections", condition.Message, StringComparison.Ordinal);
        Assert.Equal(world.Now.AddSeconds(60), world.Status!.Probe!.ProbedAt);
        Assert.Equal([world.Job!.Metadata.Name, world.Outward!.Metadata.Name], world.ProbeSteps().Cast<PlanStep.EndProbe>().Select(step => step.Name).Order());
        Assert.Equal(condition, world.Pass());
        Assert.Empty(world.ProbeSteps());
        Assert.Equal(condition, world.Pass());
    }

    [Fact]
    public void The_way_out_is_tried_where_another_pod_was_answered_by_one_that_a_policy_of_its_own_shuts_in()
    {
        var world = new ProbeWorld();
        world.Started();
        Assert.Null(world.Outward);
        world.Reported(InIsShut);
        world.Pass();
        Assert.Empty(world.ProbeSteps());
        var (labels, policy) = (world.Outward!.Spec!.Template.Metadata.Labels!, world.Shut);
        Assert.Equal(["probe-network", "--target", "kubernetes", "--target", "shop-postgres-0=10.0.0.1:5432", "--target", "shop-redis-0=10.0.0.2:6379"], world.Outward.Spec.Template.Spec.Containers[0].Args);
        Assert.False(labels.ContainsKey(Labels.Engine));
        Assert.True(PolicyReach.Selects(policy.Spec!.PodSelector, labels));
        Assert.False(PolicyReach.Selects(policy.Spec.PodSelector, world.Job!.Spec!.Template.Metadata.Labels!));
        Assert.Equal(["Ingress", "Egress"], policy.Spec.PolicyTypes);
        Assert.Equal((0, 0), (policy.Spec.Ingress?.Count ?? 0, policy.Spec.Egress?.Count ?? 0));
    }

    [Theory]
    [InlineData("o", "t", "Enforced", "none was possible")]
    [InlineData("t", "r", "Enforced", "none was possible")]
    [InlineData("t", "o", "PolicyIgnored", "a pod that may reach nobody reached shop-postgres-0:5432, shop-redis-0:6379: the network plugin does not enforce the way out")]
    [InlineData("e", "e", "ProbeInconclusive", "of the way out nothing was tried that another pod had reached")]
    public void What_a_pod_that_may_reach_nobody_reached_decides_of_the_way_out(string apiServer, string servers, string reason, string message)
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(InIsShut);
        var condition = world.WayOut(argument => argument == "kubernetes" ? apiServer[0] : servers[0]);
        Assert.Equal(reason, condition.Reason);
        Assert.Contains(message, condition.Message, StringComparison.Ordinal);
        Assert.Equal(2, world.ProbeSteps().Count(step => step is PlanStep.EndProbe));
    }

    [Theory]
    [InlineData('t', 't', "Enforced")]
    [InlineData('t', 'r', "Enforced")]
    [InlineData('t', 'o', "ProbeInconclusive")]
    public void Where_no_server_lets_in_every_pod_only_an_API_server_that_is_out_of_reach_proves_anything(char servers, char apiServer, string reason)
    {
        var world = new ProbeWorld("{clients: [], probe: {}}");
        world.Started();
        world.Reported(argument => argument == "kubernetes" ? 'o' : servers);
        var condition = world.WayOut(_ => apiServer);
        Assert.Equal(reason, condition.Reason);
        if (reason != "Enforced")
            Assert.Contains("which no policy prevents where that runs on the pod's own node", condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_that_was_another_pod_when_the_way_out_was_tried_proves_nothing()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(InIsShut);
        world.Pass();
        world.Members["shop-redis-0"] = "10.0.0.9";
        Assert.Equal("ProbeInconclusive", world.Pass().Reason);
        Assert.Equal(2, world.ProbeSteps().Count(step => step is PlanStep.EndProbe));
    }

    [Fact]
    public void The_way_out_waits_for_its_policy_and_a_Job_of_it_that_is_left_alone_goes()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(InIsShut);
        StackObservation Open(StackObservation observed) => observed with { Live = observed.Live.Where(live => live.Key.Name != "shop-netprobe").ToDictionary() };
        Assert.Empty(world.ProbeSteps(Open));
        Assert.Contains(world.Plan(Open).Steps, step => step is PlanStep.Apply { Manifest.Name: "shop-netprobe" });
        world.Pass();
        var (inward, outward) = (world.Job!.Metadata.Name!, world.Outward!.Metadata.Name);
        Assert.Equal(outward, Assert.IsType<PlanStep.EndProbe>(world.ProbeSteps(observed => observed with { Live = observed.Live.Where(live => live.Key.Name != inward).ToDictionary() }).First()).Name);
        Assert.Contains(world.Plan(world.Without).Steps, step => step is PlanStep.Prune { Name: "shop-netprobe" });
    }

    private static char InIsShut(string argument) =>
        argument is "kubernetes" || argument.EndsWith(":5432", StringComparison.Ordinal) || argument.EndsWith(":6379", StringComparison.Ordinal) ? 'o' : 't';

    [Fact]
    public void A_pod_that_reaches_nobody_proves_nothing()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(_ => 't');
        var condition = world.Pass();
        Assert.Equal(("Unknown", "ProbeInconclusive"), (condition.Status, condition.Reason));
        Assert.Contains("shop-redis: the pod that tries may itself be kept from connecting: it did not reach shop-redis-0:6379", condition.Message, StringComparison.Ordinal);

        var shut = new ProbeWorld("{clients: [], probe: {}}");
        shut.Started();
        shut.Reported(_ => 't');
        Assert.Contains("it did not reach the API server", shut.Pass().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_proves_something_only_where_the_server_would_have_accepted()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Reported(argument => argument.EndsWith(":8008", StringComparison.Ordinal) || argument.EndsWith(":1", StringComparison.Ordinal) ? 'r' : 'o');
        var condition = world.Pass();
        Assert.Equal("ProbeInconclusive", condition.Reason);
        Assert.Contains("shop-postgres: no connection was tried", condition.Message, StringComparison.Ordinal);

        var known = new ProbeWorld(engines: "{postgres: {}}");
        known.Members.Remove("shop-redis-0");
        known.Listens("shop-postgres-0", 8008);
        known.Started();
        known.Reported(argument => argument.EndsWith(":8008", StringComparison.Ordinal) || argument.EndsWith(":1", StringComparison.Ordinal) ? 'r' : 'o');
        Assert.Equal("Enforced", known.WayOut(_ => 't').Reason);
    }

    [Fact]
    public void A_server_that_was_another_pod_meanwhile_proves_nothing()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Members["shop-postgres-0"] = "10.0.0.9";
        world.Reported(argument => argument.EndsWith(":8008", StringComparison.Ordinal) ? 'o' : argument.EndsWith(":1", StringComparison.Ordinal) ? 't' : 'o');
        Assert.Equal("ProbeInconclusive", world.Pass().Reason);
        Assert.Null(world.Status!.Probe!.Reached);
    }

    [Theory]
    [InlineData("not JSON")]
    [InlineData("{\"controls\": 1}")]
    [InlineData("{\"probe\":1,\"controls\":\"o\",\"targets\":\"\"}")]
    [InlineData(null)]
    public void A_report_that_cannot_be_read_is_a_failure_and_blocks_nothing(string? message)
    {
        var world = new ProbeWorld();
        world.Started();
        world.Pod(new(Terminated: new(1, "Error", message, world.Now)));
        var condition = world.Pass();
        Assert.Equal(("Unknown", "ProbeFailed"), (condition.Status, condition.Reason));
        Assert.Contains("exit code 1", condition.Message, StringComparison.Ordinal);
        Assert.IsType<PlanStep.EndProbe>(Assert.Single(world.ProbeSteps()));
    }

    [Fact]
    public void An_image_that_cannot_be_pulled_is_said_also_when_the_Job_took_its_pod_away()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Pod(new(Waiting: new("ImagePullBackOff")));
        var condition = world.Pass();
        Assert.Equal("ProbeFailed", condition.Reason);
        Assert.Contains("docker.io/dora/agent:dev cannot be pulled", condition.Message, StringComparison.Ordinal);

        world.Failed("Job was active longer than specified deadline");
        Assert.Equal(condition.Message, world.Pass().Message);
        Assert.Equal(NetworkProbeResult.ProbeFailed, world.Status!.Probe!.Result);
    }

    [Fact]
    public void A_Job_that_ended_waits_for_the_news_of_its_pod_and_not_for_a_pod_that_never_ends()
    {
        var world = new ProbeWorld();
        world.Started();
        world.Finished("Complete");
        Assert.Equal("NotProbed", world.Pass().Reason);
        world.Reported(_ => 'o');
        Assert.Equal("PolicyIgnored", world.Pass().Reason);

        var gone = new ProbeWorld();
        gone.Started();
        gone.Finished("Complete");
        gone.Gone();
        Assert.Contains("gone before it was read", gone.Pass().Message, StringComparison.Ordinal);

        var evicted = new ProbeWorld();
        evicted.Started();
        evicted.Evicted();
        evicted.Finished("Failed", "Job has reached the specified backoff limit");
        Assert.Contains("backoff limit", evicted.Pass().Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_try_and_its_end_make_no_stack_less_ready()
    {
        var world = new ProbeWorld(engines: "{redis: {}}");
        world.Serve();
        var (observed, plan) = (world.Observation, world.Plan());
        ComplianceStackStatus After(params PlanStep[] done) => StackStatus.Calculate(observed, plan, new(done, []), observed.Health, world.Now);
        Assert.Equal("True", After().Conditions.Find(ConditionTypes.Ready)!.Status);
        Assert.Equal(After().Conditions.Find(ConditionTypes.Ready), After(plan.Steps.OfType<PlanStep.RunProbe>().Single(), new PlanStep.EndProbe("a", "b")).Conditions.Find(ConditionTypes.Ready));
    }

    [Fact]
    public void It_is_tried_again_after_the_interval_after_an_hour_when_it_failed_when_asked_and_when_policies_change()
    {
        var world = new ProbeWorld("{probe: {interval: 12h}}");
        world.Started();
        var first = world.Job!.Metadata.Name;
        world.Reported(_ => 'o');
        world.Pass();
        world.Pass();
        world.Now += TimeSpan.FromHours(11);
        Assert.Empty(world.ProbeSteps());
        world.Annotate("now");
        Assert.NotEqual(first, Assert.IsType<PlanStep.RunProbe>(Assert.Single(world.ProbeSteps())).Job.Metadata.Name);
        world.Started();
        world.Failed("no");
        world.Pass();
        world.Pass();
        Assert.Empty(world.ProbeSteps());
        world.Now += TimeSpan.FromMinutes(70);
        Assert.IsType<PlanStep.RunProbe>(Assert.Single(world.ProbeSteps()));
        world.Started();
        world.Reported(_ => 'o');
        world.Pass();
        world.Pass();
        Assert.Empty(world.ProbeSteps());

        // The stack asks for another policy: it is written first, and tried when it is in place.
        static StackObservation Shut(StackObservation observed) => observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { Network = new(Clients: [], Probe: new()) } } };
        Assert.Empty(world.ProbeSteps(Shut));
        Assert.Equal("MissingDeny", world.Pass(Shut).Reason);
        world.Now += TimeSpan.FromHours(13);
        Assert.IsType<PlanStep.RunProbe>(Assert.Single(world.ProbeSteps()));
    }

    [Fact]
    public void It_waits_for_a_server_of_each_policy_and_for_the_Job_before()
    {
        var world = new ProbeWorld();
        var redis = world.Members["shop-redis-0"];
        world.Members.Remove("shop-redis-0");
        Assert.Empty(world.ProbeSteps());
        Assert.Contains("a pod that is ready", world.Pass().Message, StringComparison.Ordinal);
        world.Members["shop-redis-0"] = redis;
        world.Started();
        world.Annotate("now");
        Assert.Empty(world.ProbeSteps());
    }

    [Fact]
    public void A_paused_stack_tries_nothing_and_one_that_gave_it_up_ends_its_Job()
    {
        var world = new ProbeWorld();
        Assert.Empty(world.ProbeSteps(observed => observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { Paused = true } } }));
        world.Started();
        Assert.IsType<PlanStep.EndProbe>(Assert.Single(world.ProbeSteps(world.Without)));
        Assert.Equal("NotProbed", world.Pass(world.Without).Reason);
        Assert.Null(world.Status!.Probe);
    }

    [Fact]
    public void A_Job_that_may_not_be_created_is_said_and_the_stack_is_none_the_worse()
    {
        var condition = new ProbeWorld().Pass(unprobed: "jobs.batch is forbidden");
        Assert.Equal(("Unknown", "ProbeFailed"), (condition.Status, condition.Reason));
        Assert.Contains("jobs.batch is forbidden", condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Policies_that_are_disabled_or_missing_keep_nobody_out()
    {
        var disabled = new ProbeWorld("{policies: Disabled, probe: {}}");
        Assert.Empty(disabled.ProbeSteps());
        var condition = disabled.Pass();
        Assert.Equal(("False", "MissingDeny"), (condition.Status, condition.Reason));
        Assert.Contains("spec.network.policies", condition.Message, StringComparison.Ordinal);

        var world = new ProbeWorld();
        StackObservation Removed(StackObservation observed) => observed with { Live = observed.Live.Where(live => live.Key.Name != "shop-redis" || live.Key.Resource != KubeTypes.NetworkPolicies.Resource).ToDictionary() };
        Assert.Empty(world.ProbeSteps(Removed));
        Assert.Contains("NetworkPolicy shop-redis is missing", world.Pass(Removed).Message, StringComparison.Ordinal);
        var unreadable = world.Pass(observed => observed with { Unreadable = new Dictionary<KubeResource, string> { [KubeTypes.NetworkPolicies.Resource] = "forbidden" } });
        Assert.Equal(("Unknown", "Unreadable"), (unreadable.Status, unreadable.Reason));
    }

    [Fact]
    public void Clients_that_are_nobody_are_named_beside_the_verdict()
    {
        var world = new ProbeWorld("{}");
        var condition = world.Pass(observed => observed with { IdleClients = ["spec.network.clients[1]"] });
        Assert.Equal(("Unknown", "NotProbed"), (condition.Status, condition.Reason));
        Assert.Contains("spec.network.clients[1]: no pod matches now", condition.Message, StringComparison.Ordinal);
        Assert.Equal(["spec.network.clients[1]"], world.Status!.IdleClients);
    }
}
