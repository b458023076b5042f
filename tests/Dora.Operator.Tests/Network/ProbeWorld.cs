using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;
using Dora.Operator.Tests.Stacks;
using Dora.Operator.Transport;

namespace Dora.Operator.Tests.Network;

/// <summary>A stack whose servers run, and the Jobs that try the network around it, as their controllers and the kubelet have them.</summary>
internal sealed class ProbeWorld(string network = "{probe: {}}", string engines = "{postgres: {}, redis: {}}")
{
    private readonly RunningStack _running = new($"{{tier: Development, network: {network}, engines: {engines}}}");
    private readonly List<Pod> _pods = [];
    private readonly Dictionary<ObjectId, LiveObject> _jobs = [];
    private readonly Dictionary<string, string> _annotations = [];
    private readonly List<MeasuredPort> _ports = [];
    private ComplianceStackStatus? _status;

    public DateTimeOffset Now { get; set; } = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Members that are ready, by number.</summary>
    public Dictionary<string, string> Members { get; } = new() { ["shop-postgres-0"] = "10.0.0.1", ["shop-redis-0"] = "10.0.0.2" };

    public NetworkStatus? Status => _status?.Network;

    public Job? Job => Of(NetworkProbeJob.Role);

    /// <summary>The policy of the pod that tries the way out.</summary>
    public NetworkPolicy Shut => (NetworkPolicy)_running.Observation.Live[new(KubeTypes.NetworkPolicies.Resource, "shop-netprobe")].Object;

    /// <summary>The Job that tries the way out.</summary>
    public Job? Outward => Of(NetworkProbeJob.OutwardRole);

    public IReadOnlyList<string> Arguments => Job!.Spec!.Template.Spec.Containers[0].Args!;

    public StackObservation Observation
    {
        get
        {
            var observed = _running.Observation;
            return observed with
            {
                Stack = observed.Stack with { Status = _status, Metadata = observed.Stack.Metadata with { Annotations = _annotations } },
                Live = observed.Live.Concat(_jobs).ToDictionary(),
                Pods = [.. Members.Select(Member), .. _pods],
                Ports = _ports,
                Now = Now,
            };
        }
    }

    /// <summary>The stack asks for no try any more.</summary>
    public StackObservation Without(StackObservation observed) =>
        observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { Network = new() } } };

    public void Annotate(string value) => _annotations[Labels.ProbeNetwork] = value;

    /// <summary>Redis serves as asked.</summary>
    public void Serve()
    {
        _running.Set("shop-redis", replicas: 1);
        _running.Health["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []);
    }

    /// <summary>The operator itself was answered at a port.</summary>
    public void Listens(string pod, int port) => _ports.Add(new(
        new(pod.Split('-')[1], pod, pod, Members[pod], new TlsEndpoint("port", port, "secret", pod, CertificateReload.ByCommand)), new(TransportVerdict.PolicyMet, ""), 0));

    public StackPlan Plan(Func<StackObservation, StackObservation>? with = null) => StackPlanner.Plan(with is null ? Observation : with(Observation));

    public IEnumerable<PlanStep> ProbeSteps(Func<StackObservation, StackObservation>? with = null) => Plan(with).Steps.Where(step => step is PlanStep.RunProbe or PlanStep.EndProbe);

    /// <summary>A pass: what it planned is done, and its status kept.</summary>
    public Condition Pass(Func<StackObservation, StackObservation>? with = null, string? unprobed = null)
    {
        var observed = with is null ? Observation : with(Observation);
        var plan = StackPlanner.Plan(observed);
        if (unprobed is null)
        {
            foreach (var step in plan.Steps)
                Do(step);
        }

        _status = StackStatus.Calculate(observed, plan, new([], []) { Unprobed = unprobed }, observed.Health, Now);
        return _status.Conditions.Find(ConditionTypes.NetworkSegmented)!;
    }

    /// <summary>The Job of a pass is there, with its pod.</summary>
    public void Started()
    {
        Pass();
        Assert.NotNull(Job);
        _pods.Add(Prober(new(Waiting: new("ContainerCreating"))));
    }

    /// <summary>Its pod as the kubelet has it.</summary>
    public void Pod(ContainerState state) => _pods[^1] = Prober(state);

    /// <summary>Its pod ended with a report: a letter for each option of the Job.</summary>
    public void Reported(Func<string, char> outcome) => Pod(new(Terminated: new(0, "Completed", Report(Job!, outcome), Now.AddSeconds(30))));

    /// <summary>The Job ended without its pod.</summary>
    public void Failed(string message)
    {
        _pods.Clear();
        Finished("Failed", message);
    }

    /// <summary>The Job ended, as its controller says.</summary>
    public void Finished(string type, string? message = null)
    {
        var (id, live) = _jobs.First();
        _jobs[id] = live with { Object = Job! with { Status = new([new(type, "True", "Test", message, Now.AddMinutes(3))]) } };
    }

    /// <summary>Its pod was evicted, or its node was lost.</summary>
    public void Evicted() => _pods[^1] = _pods[^1] with { Status = new("Failed", Reason: "Evicted") };

    /// <summary>Its pod is gone.</summary>
    public void Gone() => _pods.Clear();

    /// <summary>After the way in was found to be shut, the way out is tried, with this outcome.</summary>
    public Condition WayOut(Func<string, char> outcome)
    {
        Pass();
        Assert.NotNull(Outward);
        _pods.Add(Prober(Outward, new(Terminated: new(0, "Completed", Report(Outward, outcome), Now.AddSeconds(60)))));
        return Pass();
    }

    private Job? Of(string role) => _jobs.Values.Select(live => live.Object).OfType<Job>().FirstOrDefault(job => job.Metadata.Labels![Labels.Name] == role);

    private static string Report(Job job, Func<string, char> outcome)
    {
        string Letters(string option) => string.Concat(job.Spec!.Template.Spec.Containers[0].Args!.Skip(1).Chunk(2).Where(pair => pair[0] == option).Select(pair => outcome(pair[1])));
        return $$"""{"probe":1,"controls":"{{Letters("--control")}}","targets":"{{Letters("--target")}}"}""";
    }

    private void Do(PlanStep step)
    {
        if (step is PlanStep.RunProbe run)
        {
            var job = run.Job with { Metadata = run.Job.Metadata with { Uid = $"uid-{run.Job.Metadata.Name}", CreationTimestamp = Now } };
            _jobs[new(KubeTypes.Jobs.Resource, job.Metadata.Name!)] = new(KubeTypes.Jobs.Resource, job, () => []);
        }
        else if (step is PlanStep.EndProbe end)
        {
            _jobs.Remove(new(KubeTypes.Jobs.Resource, end.Name));
            _pods.RemoveAll(pod => pod.Metadata.OwnerReferences![0].Uid == end.Uid);
        }
    }

    private Pod Prober(ContainerState state) => Prober(Job!, state);

    private static Pod Prober(Job job, ContainerState state) => new(
        new($"{job.Metadata.Name}-x", "default", Uid: "x", Labels: job.Spec!.Template.Metadata.Labels, OwnerReferences: [new("batch/v1", "Job", job.Metadata.Name!, job.Metadata.Uid!)]),
        Status: new(ContainerStatuses: [new("probe", State: state, Image: "docker.io/dora/agent:dev")]));

    private static Pod Member(KeyValuePair<string, string> member) => new(
        new(member.Key, "default", Uid: member.Key, Labels: new Dictionary<string, string> { [Labels.Stack] = "shop", [Labels.Engine] = member.Key.Split('-')[1] }),
        Status: new(PodIP: member.Value, Conditions: [new("Ready", "True", LastTransitionTime: new DateTimeOffset(2026, 11, 21, 11, 0, 0, TimeSpan.Zero))]));
}
