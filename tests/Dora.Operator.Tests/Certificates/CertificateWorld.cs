using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Engines;
using Dora.Operator.Certificates;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;
using Dora.Testing;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Tests.Certificates;

/// <summary>
/// A stack whose certificates are made by the real plan and the real issuer, its Secrets kept in memory. After every single write
/// it checks that no server stops believing another.
/// </summary>
internal sealed class CertificateWorld
{
    public const string Uid = "stack-uid";
    public const string Redis = "shop-redis-tls";
    public const string Postgres = "shop-postgres-tls";
    public const string Authority = "shop-ca";

    private int _version;

    private string AuthorityName => Operator.Certificates.Authority.SecretName(Stack.Metadata.Name!);

    public CertificateWorld(string spec = "{tier: Development, engines: {redis: {}}}", DateTimeOffset? start = null)
        : this(StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: default, uid: {Uid}, generation: 1}}, spec: {spec}}}")[0], start)
    {
    }

    private CertificateWorld(ComplianceStack stack, DateTimeOffset? start = null) => (Stack, Clock) = (stack, new(start));

    public ManualClock Clock { get; }

    public ComplianceStack Stack { get; set; }

    public bool Serving { get; set; } = true;

    /// <summary>The Vault that signs where the stack says so.</summary>
    public PkiOfWorld Vault { get; } = new();

    /// <summary>Secrets; what is not there is missing.</summary>
    public Dictionary<string, SecretReading> Secrets { get; } = [];

    public List<(string Engine, CertificateRequest Request)> Wanted { get; } =
    [
        ("redis", new(Redis, ["shop-redis.default.svc", "*.shop-redis-members.default.svc", "localhost"], NeedsCombined: true)),
        ("postgres", new(Postgres, ["shop-postgres.default.svc", "localhost"])),
    ];

    public StackContext Context => StackPlanner.Context(Stack, new(), new());

    public StackObservation Observation => StackObservation.Nowhere(Stack, new()) with
    {
        Now = Clock.GetUtcNow(),
        Signed = Vault.Unwritten(Secrets),
        Credentials = Wanted.Select(one => one.Request.SecretName).Append(AuthorityName).Distinct().ToDictionary(name => name, name => Secrets.GetValueOrDefault(name) ?? new SecretReading.Missing()),
    };

    public static CertificateWorld Issued(string spec = "{tier: Development, engines: {redis: {}}}")
    {
        var world = new CertificateWorld(spec);
        world.Settle();
        return world;
    }

    /// <summary>One whose certificates cert-manager made so far.</summary>
    public static CertificateWorld OfCertManager()
    {
        var (world, other) = (Issued(), Issued());
        foreach (var name in new[] { Redis, Postgres })
        {
            world.Secrets[name] = other.Secrets[name];
            world.EditAnnotation(name, "cert-manager.io/certificate-name", name);
            Assert.True(CertificateSecrets.IsOfCertManager(world.Found(name)));
        }

        world.Secrets.Remove(Authority);
        return world;
    }

    /// <summary>The Secrets of certificates of a running stack, and when they were looked at.</summary>
    public static (IReadOnlyDictionary<string, SecretReading> Secrets, DateTimeOffset Now) Of(ComplianceStack stack, IEnumerable<BoundEngine> engines)
    {
        var world = new CertificateWorld(stack);
        world.Wanted.Clear();
        world.Wanted.AddRange(engines.SelectMany(engine => engine.Cluster.Certificates.Select(request => (engine.Engine.Name, request))));
        world.Settle();
        return (world.Secrets, world.Clock.GetUtcNow());
    }

    public CertificatePlan Plan() => CertificatePlan.Of(Context, Wanted, Observation, Serving);

    public SecretReading.Found Found(string name) => (SecretReading.Found)Secrets[name];

    public Leaf? LeafOf(string name) => Leaf.Of(Found(name));

    public Authority Root() => Operator.Certificates.Authority.Of(Found(Authority));

    /// <summary>Plans and does every step; the steps that were done.</summary>
    public IReadOnlyList<PlanStep> Pass(int most = int.MaxValue)
    {
        var plan = Plan();
        if (Vault.Asked(plan.Unsigned, Stack.Metadata.Annotation(Labels.RotateAuthority), Clock))
            plan = Plan();
        var done = new List<PlanStep>();
        foreach (var step in plan.Steps.Take(most))
        {
            Do(step);
            done.Add(step);
        }

        return done;
    }

    /// <summary>Passes until nothing is to do and nothing is waited for.</summary>
    public void Settle()
    {
        for (var quiet = 0; quiet < 3;)
        {
            if (Pass().Count > 0)
            {
                quiet = 0;
                Assert.True(_version < 500, "it never ends");
                continue;
            }

            quiet++;
            Clock.Advance(Lifetimes.Spread);
        }
    }

    /// <summary>From now on another signs.</summary>
    public void Issuer(TlsIssuer issuer) => Stack = Stack with
    {
        Spec = Stack.Spec with { Tls = new(issuer, Vault: issuer == TlsIssuer.Vault ? new("db", Address: "https://vault:8200") : null) },
    };

    public void Annotate(string value, string name = Labels.RotateAuthority) =>
        Stack = Stack with { Metadata = Stack.Metadata with { Annotations = new Dictionary<string, string> { [name] = value } } };

    /// <summary>Somebody changes values of a Secret; null removes one.</summary>
    public void Edit(string name, params (string Key, string? Value)[] values) => Write(name, Found(name), values, []);

    /// <summary>Somebody changes an annotation of a Secret.</summary>
    public void EditAnnotation(string name, string key, string? value) => Write(name, Found(name), [], [(key, value)]);

    public void Do(PlanStep step)
    {
        var before = Trusting();
        switch (step)
        {
            case PlanStep.WriteAuthority authority:
                Accept(authority.SecretName, authority.ResourceVersion);
                var made = CertificateSecrets.Authority(Context, authority, Clock.GetUtcNow());
                Write(authority.SecretName, Secrets.GetValueOrDefault(authority.SecretName) as SecretReading.Found ?? New(CertificateSecrets.AuthorityMeta(Context, authority.SecretName, authority.Owned)), made);
                break;
            case PlanStep.WriteCertificate certificate:
                Accept(certificate.Request.SecretName, certificate.ResourceVersion);
                Write(certificate);
                break;
            case PlanStep.SetOwner owner:
                Secrets[owner.Name] = Found(owner.Name) with { Owned = owner.Owned };
                break;
            default:
                throw new ArgumentException($"{step.GetType().Name} is no step of certificates", nameof(step));
        }

        Assert.Empty(before.Where(pair => !Believes(pair.Believer, pair.Leaf)).Select(pair => $"after {step}: {pair.Believer} no longer believes {pair.Leaf}"));
        if (step is PlanStep.WriteCertificate { Change: not CertificateChange.Trust } issued)
            Assert.All(Leaves().Where(name => PemText.Certificates(Found(name).Fields.GetValueOrDefault(CertificateRequest.Trust)) is not null), believer => Assert.True(Believes(believer, issued.Request.SecretName), $"{believer} does not believe the new {issued.Request.SecretName}"));
    }

    /// <summary>Whether a server with one Secret believes a server with another.</summary>
    public bool Believes(string believer, string leaf)
    {
        using var bundle = PemText.Certificates(Found(believer).Fields.GetValueOrDefault(CertificateRequest.Trust));
        using var shown = PemText.Certificates(Found(leaf).Fields.GetValueOrDefault(CertificateRequest.Chain));
        if (bundle is null || shown is null)
            return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(bundle.All.ToArray());
        chain.ChainPolicy.ExtraStore.AddRange(shown.All.Skip(1).ToArray());
        // What a clock that went back calls not valid yet is believed by every other.
        var (now, from) = (Clock.GetUtcNow().UtcDateTime, shown.All[0].NotBefore.ToUniversalTime());
        chain.ChainPolicy.VerificationTime = now > from ? now : from;
        return chain.Build(shown.All[0]);
    }

    /// <summary>Everything is as it shall be.</summary>
    public void AssertConverged()
    {
        Assert.Empty(Plan().Steps);
        Assert.Empty(Root().Older);
        Assert.All(Leaves(), name => Assert.True(LeafOf(name)!.Serves(Clock.GetUtcNow())));
        Assert.All(Leaves(), name => Assert.Equal(Root().Signer!.Fingerprint, LeafOf(name)!.Root!.Fingerprint));
        Assert.All(Leaves(), name => Assert.Equal(Root().Bundle, Found(name).Fields[CertificateRequest.Trust]));
        Assert.Equal(Wanted.Count, Leaves().Count);
    }

    private List<string> Leaves() => [.. Wanted.Select(one => one.Request.SecretName).Where(name => Secrets.GetValueOrDefault(name) is SecretReading.Found)];

    private List<(string Believer, string Leaf)> Trusting() =>
        [.. from believer in Leaves() from leaf in Leaves() where LeafOf(leaf)?.KeyFits == true && Believes(believer, leaf) select (believer, leaf)];

    private void Accept(string name, string? version) => Assert.Equal((Secrets.GetValueOrDefault(name) as SecretReading.Found)?.Meta.ResourceVersion, version);

    private void Write(PlanStep.WriteCertificate step)
    {
        var name = step.Request.SecretName;
        var authority = Found(AuthorityName);
        // As the store does: what was decided for another authority is not done.
        if (Operator.Certificates.Authority.GenerationOf(authority) != step.Generation)
            return;
        var now = Clock.GetUtcNow();
        var content = step.Change == CertificateChange.Trust
            ? CertificateSecrets.Trust(step, Found(name), Operator.Certificates.Authority.Of(authority).Bundle, now)
            : CertificateSecrets.Leaf(step, authority, Clock);
        Write(name, Secrets.GetValueOrDefault(name) as SecretReading.Found ?? New(CertificateSecrets.LeafMeta(Context, step)), content);
        Secrets[name] = Found(name) with { Owned = true };
    }

    private static SecretReading.Found New(Dora.Kubernetes.Model.ObjectMeta meta) => new(new Dictionary<string, string>(), meta.OwnerReferences is not null) { Meta = meta };

    private void Write(string name, SecretReading.Found secret, SecretContent content) =>
        Write(name, secret, content.Fields.Select(field => (field.Key, field.Value)), content.Annotations.Select(annotation => (annotation.Key, annotation.Value)));

    private void Write(string name, SecretReading.Found secret, IEnumerable<(string Key, string? Value)> values, IEnumerable<(string Key, string? Value)> annotations) =>
        Secrets[name] = secret with
        {
            Fields = Merge(secret.Fields, values),
            Meta = secret.Meta with { Annotations = Merge(secret.Meta.Annotations ?? new Dictionary<string, string>(), annotations), ResourceVersion = (++_version).ToString(CultureInfo.InvariantCulture) },
        };

    private static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> old, IEnumerable<(string Key, string? Value)> values)
    {
        var merged = new Dictionary<string, string>(old);
        foreach (var (key, value) in values)
        {
            if (value is null)
                merged.Remove(key);
            else
                merged[key] = value;
        }

        return merged;
    }
}
