using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;
using Dora.Operator.Transport;
using Dora.Testing.Http;

namespace Dora.Operator.Tests.Transport;

public sealed class EncryptionRulesTests : IDisposable
{
    private readonly TestCertificates _authority = new();
    private readonly IReadOnlyDictionary<string, string> _certificate;
    private readonly string _serial;

    public EncryptionRulesTests()
    {
        _certificate = _authority.ServerFiles(["shop-redis"]);
        using var certificate = X509Certificate2.CreateFromPem(_certificate["tls.crt"]);
        _serial = certificate.SerialNumber;
    }

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void Ports_are_those_of_pods_that_are_ready_and_of_the_engine()
    {
        var observed = Observed(Pod(0), Pod(1, ready: false), Pod(2) with { Status = new() }, Pod(3, engine: "postgres"));
        Assert.Equal(["redis shop-redis-0", "sentinel shop-redis-0"], EncryptionRules.Ports(StackPlanner.Plan(observed), observed).Select(port => $"{port.Endpoint.Name} {port.Pod}"));
        Assert.Equal("shop-redis-0.shop-redis-members.default.svc", EncryptionRules.Ports(StackPlanner.Plan(observed), observed).First().Host);
    }

    [Fact]
    public void A_server_with_an_old_certificate_is_told_once_for_each_look()
    {
        var observed = Observed(Pod(0), Pod(1), Pod(2));
        Assert.Empty(Commands(Seen(observed, server: _serial, sentinel: _serial)));
        Assert.Equal(["ReloadCertificate shop-redis-0", "ReloadCertificate shop-redis-1", "ReloadCertificate shop-redis-2"], Commands(Seen(observed, server: "0A", sentinel: "0A")));
        Assert.Empty(Commands(Seen(observed, server: "0A", sentinel: "0A", told: true)));
    }

    [Fact]
    public void What_an_interruption_needs_waits_for_the_files_and_for_health_and_goes_pod_by_pod()
    {
        var observed = Observed(Pod(0), Pod(1), Pod(2));
        Assert.Equal(["InterruptForCertificate shop-redis-1"], Commands(Seen(observed, server: _serial, sentinel: "0A")));
        Assert.Empty(Commands(Seen(observed, server: _serial, sentinel: "0A") with { Health = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Degraded, [], "shop-redis-0", "7.0.15", "x", []) } }));
        Assert.DoesNotContain(Commands(Seen(observed, server: "0A", sentinel: "0A")), command => command.StartsWith("Interrupt", StringComparison.Ordinal));
    }

    [Fact]
    public void The_master_moves_before_the_Sentinel_beside_it_starts_anew_and_only_when_all_others_have()
    {
        var observed = Seen(Observed(Pod(0), Pod(1), Pod(2)), server: _serial, sentinel: "0A");
        StackObservation Only(params string[] stale) => observed with { Ports = [.. observed.Ports.Select(port => port with { Finding = port.Finding with { Serial = stale.Contains(port.Target.Pod) && port.Target.Endpoint.Name == "sentinel" ? "0A" : _serial } })] };
        // One that was told and is not seen again yet holds up the master's.
        var told = Only("shop-redis-0", "shop-redis-1") with { };
        told = told with { Ports = [.. told.Ports.Select(port => port with { Told = port.Target.Pod == "shop-redis-1" })] };
        Assert.Empty(AllCommands(told));
        Assert.Equal(["Failover shop-redis-0"], AllCommands(Only("shop-redis-0")));
        var moved = Only("shop-redis-0") with { Health = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-1", "7.0.15", "", []) } };
        Assert.Equal(["InterruptForCertificate shop-redis-0"], AllCommands(moved));
        // Where nobody else can be master, there is nothing to wait for.
        var alone = Only("shop-redis-0");
        Assert.Equal(["InterruptForCertificate shop-redis-0"], AllCommands(alone with { Pods = [alone.Pods[0]], Ports = [.. alone.Ports.Where(port => port.Target.Pod == "shop-redis-0")] }));
    }

    [Fact]
    public void Nothing_is_told_while_the_certificate_cannot_be_read()
    {
        var observed = Seen(Observed(Pod(0)), server: "0A", sentinel: "0A");
        foreach (var reading in (SecretReading[])[new SecretReading.Missing(), new SecretReading.Unreadable("no"), new SecretReading.Found(new Dictionary<string, string> { ["tls.crt"] = "garbage", ["ca.crt"] = "garbage" }, true)])
            Assert.Empty(Commands(observed with { Credentials = new Dictionary<string, SecretReading>(observed.Credentials) { ["shop-redis-tls"] = reading } }));
    }

    [Theory]
    [InlineData(TransportVerdict.PolicyMet, "True")]
    [InlineData(TransportVerdict.NotMeasured, "Unknown")]
    [InlineData(TransportVerdict.ChainInvalid, "False")]
    [InlineData(TransportVerdict.LegacyTlsAccepted, "False")]
    [InlineData(TransportVerdict.PlaintextAccepted, "False")]
    public void The_condition_is_what_was_measured(TransportVerdict verdict, string status)
    {
        var observed = Observed(Pod(0));
        var plan = StackPlanner.Plan(observed);
        var ports = EncryptionRules.Ports(plan, observed).Select(target => new MeasuredPort(target, new(verdict, "what it did", "TLS 1.3", "TLS_AES_256_GCM_SHA384", _serial), 0)).ToList();
        var condition = EncryptionRules.Encrypted(plan, ports);
        Assert.Equal((ConditionTypes.EncryptedInTransit, status, verdict.ToString()), (condition.Type, condition.Status, condition.Reason));
        Assert.NotEmpty(condition.Message);
    }

    [Fact]
    public void One_port_that_is_open_makes_the_condition_false_whatever_the_others_do()
    {
        var observed = Observed(Pod(0), Pod(1));
        var plan = StackPlanner.Plan(observed);
        var ports = EncryptionRules.Ports(plan, observed).Select((target, index) => new MeasuredPort(target, index == 3 ? new(TransportVerdict.PlaintextAccepted, "answers who speaks in the clear") : new(TransportVerdict.PolicyMet, "", "TLS 1.3"), 0)).ToList();
        Assert.Equal(("False", "PlaintextAccepted", "shop-redis-1 sentinel: answers who speaks in the clear"), (EncryptionRules.Encrypted(plan, ports).Status, EncryptionRules.Encrypted(plan, ports).Reason, EncryptionRules.Encrypted(plan, ports).Message));
    }

    [Fact]
    public void A_stack_version_that_encrypts_nothing_says_so()
    {
        var observed = Observed(Pod(0));
        observed = observed with { Stack = observed.Stack with { Spec = observed.Stack.Spec with { StackVersion = StackVersions.V202611 } } };
        Assert.Equal(("False", "PlaintextAccepted"), (EncryptionRules.Encrypted(StackPlanner.Plan(observed), []).Status, EncryptionRules.Encrypted(StackPlanner.Plan(observed), []).Reason));
    }

    private static List<string> AllCommands(StackObservation observed) =>
        [.. StackPlanner.Plan(observed).Engines.SelectMany(engine => engine.Cluster.Commands(engine.Observed).Concat(EncryptionRules.Commands(engine, observed))).Select(command => $"{command.Name} {command.Subject}")];

    private static List<string> Commands(StackObservation observed) =>
        [.. StackPlanner.Plan(observed).Engines.SelectMany(engine => EncryptionRules.Commands(engine, observed)).Select(command => $"{command.Name} {command.Subject}")];

    private static StackObservation Seen(StackObservation observed, string server, string sentinel, bool told = false) => observed with
    {
        Ports = [.. EncryptionRules.Ports(StackPlanner.Plan(observed), observed).Select(target => new MeasuredPort(target, new(TransportVerdict.PolicyMet, "", "TLS 1.3", "TLS_AES_256_GCM_SHA384", target.Endpoint.Name == "redis" ? server : sentinel), 0, told))],
    };

    private StackObservation Observed(params Pod[] pods)
    {
        using var settings = System.Text.Json.JsonDocument.Parse("""{"mode":"Sentinel"}""");
        var stack = new ComplianceStack(new(Name: "shop", Namespace: "default", Uid: "u"), new(Tier.Development, new Dictionary<string, System.Text.Json.JsonElement> { ["redis"] = settings.RootElement.Clone() }));
        return StackObservation.Nowhere(stack, new()) with
        {
            Pods = pods,
            Credentials = new Dictionary<string, SecretReading> { ["shop-redis-tls"] = new SecretReading.Found(_certificate, true) },
            Health = new Dictionary<string, EngineHealth> { ["redis"] = new(EngineVerdict.Healthy, [], "shop-redis-0", "7.0.15", "", []) },
        };
    }

    private static Pod Pod(int ordinal, bool ready = true, string engine = "redis") => new(
        new(Name: $"shop-{engine}-{ordinal}", Uid: $"{engine}-{ordinal}", Labels: new Dictionary<string, string> { [Labels.Engine] = engine }),
        Status: new(PodIP: $"10.0.0.{ordinal}", Conditions: [new("Ready", ready ? "True" : "False")]));
}
