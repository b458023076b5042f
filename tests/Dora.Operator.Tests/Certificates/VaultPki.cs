using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Testing;
using Dora.Testing.Vault;
using Microsoft.Extensions.Logging.Abstractions;

namespace Dora.Operator.Tests.Certificates;

/// <summary>A stack whose certificates a scripted Vault signs, under the policy of docs/: the operator's own client and plan, pass by pass.</summary>
internal sealed class VaultPki : IAsyncDisposable
{
    public const string Role = """{"allowed_domains":"*.svc","allow_glob_domains":true,"key_type":"ec","max_ttl":"2160h"}""";

    private readonly string _file = Path.GetTempFileName();
    private readonly KubeClient _client = new(new(new Uri("http://127.0.0.1:9")), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
    private VaultClients? _clients;
    private VaultSignatures? _signatures;

    private VaultPki(VaultServer server, CertificateWorld world) => (Server, World, Setup) = (server, world, new(server.Address, server.RootToken));

    public VaultServer Server { get; }

    public CertificateWorld World { get; }

    public VaultSetup Setup { get; }

    public ManualClock Clock => World.Clock;

    /// <summary>What the status says of certificates after the last pass.</summary>
    public (string Status, string Reason, string Message) Condition { get; private set; }

    /// <summary>Requests to sign so far.</summary>
    public int Requests => Server.Calls.Count(call => call.Path.StartsWith("pki/sign/", StringComparison.Ordinal));

    public static async Task<VaultPki> StartAsync(string role = Role, CertificateWorld? world = null)
    {
        world ??= new();
        var pki = new VaultPki(await VaultServer.StartAsync(world.Clock), world);
        await pki.Setup.EnginesAsync();
        await pki.RoleAsync(role);
        await pki.Setup.PolicyAsync(await File.ReadAllTextAsync(Path.Combine(GoldenFile.RepositoryRoot, "docs/vault-policy.hcl")));
        var (id, secret) = await pki.Setup.AppRoleAsync();
        await File.WriteAllTextAsync(pki._file, secret);
        pki.Connect(new([pki.Address], VaultAccess.AppRole, pki._file, id));
        pki.Use("db-server");
        return pki;
    }

    public string Address => Server.Address.ToString().TrimEnd('/');

    public Task RoleAsync(string json) => Setup.PostAsync("pki/roles/db-server", json);

    /// <summary>Another process of the operator.</summary>
    public void Connect(VaultAccess access)
    {
        _signatures?.Dispose();
        _clients?.Dispose();
        _clients = new(_client, access, Clock);
        _signatures = new(_clients, _ => { }, Clock, NullLogger<VaultSignatures>.Instance);
    }

    /// <summary>The stack asks for a role.</summary>
    public void Use(string role, string mount = "pki") =>
        World.Stack = World.Stack with { Spec = World.Stack.Spec with { Tls = new(TlsIssuer.Vault, Vault: new(role, mount, Address, AuthMount: "approle")) } };

    /// <summary>Another root signs from now on; the old one is gone.</summary>
    public async Task RotateAsync()
    {
        var made = await Setup.PostAsync("pki/root/rotate/internal", """{"common_name":"another authority","ttl":"87600h"}""");
        await Setup.PostAsync("pki/root/replace", $$"""{"default":"{{made!["data"]!["issuer_id"]}}"}""");
    }

    /// <summary>An intermediate authority signs from now on, whose root is kept elsewhere.</summary>
    public async Task IntermediateAsync(bool withRoot, Func<ECDsa>? rootKey = null, TimeSpan? lifetime = null)
    {
        var asked = await Setup.PostAsync("pki/intermediate/generate/internal", """{"common_name":"intermediate"}""");
        var now = Clock.GetUtcNow();
        using var key = (rootKey ?? (() => ECDsa.Create(ECCurve.NamedCurves.nistP256)))();
        var root = new CertificateRequest("CN=offline root", key, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using var certificate = root.CreateSelfSigned(now.AddDays(-1), now.AddYears(20));
        var request = CertificateRequest.LoadSigningRequestPem((string)asked!["data"]!["csr"]!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        using var intermediate = request.Create(certificate, now.AddDays(-1), now + (lifetime ?? TimeSpan.FromDays(3650)), [1, 2, 3, 4]);
        var bundle = intermediate.ExportCertificatePem() + "\n" + (withRoot ? certificate.ExportCertificatePem() : "");
        var made = await Setup.PostAsync("pki/intermediate/set-signed", new JsonObject { ["certificate"] = bundle }.ToJsonString());
        await Setup.PostAsync("pki/root/replace", $$"""{"default":"{{made!["data"]!["issuer_id"]}}"}""");
    }

    /// <summary>A pass as the controller makes it; the steps that were done.</summary>
    /// <param name="patient">Whether it comes after the answers to what the one before it asked; they would cause another.</param>
    public async Task<IReadOnlyList<PlanStep>> PassAsync(bool patient = true)
    {
        var observed = World.Observation with { Signed = _signatures!.Of(World.Stack, World.Secrets) };
        var plan = Plan(observed);
        if (plan.Unsigned.Count > 0)
        {
            observed = observed with { Signed = await Clock.DrivingAsync(_signatures.AskAsync(observed, plan.Unsigned, TestContext.Current.CancellationToken)) };
            if (patient)
                observed = observed with { Signed = await Clock.DrivingAsync(AnsweredAsync()) };
            plan = Plan(observed);
        }

        foreach (var step in plan.Steps)
            World.Do(step);
        Condition = CertificateRegister.Judge(plan, observed, new(plan.Steps, [])).Select(condition => (condition.Status, condition.Reason, condition.Message!)).Single();
        return plan.Steps;
    }

    /// <summary>Passes, a minute after each other, until nothing was done for a while.</summary>
    public async Task SettleAsync()
    {
        for (var quiet = 0; quiet < 6; Clock.Advance(TimeSpan.FromMinutes(1)))
            quiet = (await PassAsync()).Count > 0 ? 0 : quiet + 1;
    }

    /// <summary>What is known when no question is under way.</summary>
    public async Task<IReadOnlyDictionary<string, VaultSignature>> AnsweredAsync()
    {
        await _signatures!.SettledAsync(ObjectKey.Of(World.Stack));
        return _signatures.Of(World.Stack, World.Secrets);
    }

    public async ValueTask DisposeAsync()
    {
        _signatures?.Dispose();
        _clients?.Dispose();
        _client.Dispose();
        Setup.Dispose();
        await Server.DisposeAsync();
        File.Delete(_file);
    }

    private CertificatePlan Plan(StackObservation observed) => CertificatePlan.Of(World.Context, World.Wanted, observed, World.Serving);
}
