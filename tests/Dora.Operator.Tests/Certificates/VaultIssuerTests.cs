using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Operator.Certificates;
using Dora.Operator.Stacks;
using Dora.Testing.Vault;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Operator.Tests.Certificates;

/// <summary>Certificates that Vault signs.</summary>
public sealed class VaultIssuerTests
{
    private static readonly string[] _secrets = [CertificateWorld.Redis, CertificateWorld.Postgres];

    [Fact]
    public async Task Servers_get_what_Vault_signed_and_at_rest_nothing_is_asked()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.SettleAsync();
        vault.World.AssertConverged();
        Assert.Equal(("True", "Current", 2), (vault.Condition.Status, vault.Condition.Reason, vault.Requests));
        Assert.All(_secrets, name => Assert.Contains("CN=test authority", vault.World.LeafOf(name)!.Issuer, StringComparison.Ordinal));
        Assert.DoesNotContain(Authority.Key, vault.World.Found(CertificateWorld.Authority).Fields.Keys);
        var calls = vault.Server.Calls.Count;
        for (var days = 0; days < 50; days++)
        {
            vault.Clock.Advance(TimeSpan.FromDays(1));
            Assert.Empty(await vault.PassAsync());
        }

        Assert.Equal(calls, vault.Server.Calls.Count);
    }

    [Fact]
    public async Task No_key_goes_to_Vault_and_none_is_said()
    {
        await using var vault = await VaultPki.StartAsync();
        var steps = await vault.PassAsync();
        Assert.All(vault.Server.Calls, call => Assert.DoesNotContain("PRIVATE KEY", call.Body.ToJsonString(), StringComparison.Ordinal));
        Assert.All(steps, step => Assert.DoesNotContain("PRIVATE", $"{step} {(step as PlanStep.WriteCertificate)?.Signed}", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Renewal_comes_at_two_thirds_of_what_Vault_gave()
    {
        await using var vault = await VaultPki.StartAsync(VaultPki.Role.Replace("2160h", "24h", StringComparison.Ordinal));
        await vault.SettleAsync();
        var leaf = vault.World.LeafOf(CertificateWorld.Redis)!;
        Assert.Equal(24, (leaf.NotAfter - leaf.NotBefore).TotalHours, 0.1);
        vault.Clock.Advance(TimeSpan.FromHours(15));
        Assert.Empty(await vault.PassAsync());
        vault.Clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal([CertificateChange.Issue, CertificateChange.Issue], (await vault.PassAsync()).OfType<PlanStep.WriteCertificate>().Select(step => step.Change));
        Assert.NotEqual(leaf.Serial, vault.World.LeafOf(CertificateWorld.Redis)!.Serial);
        Assert.Equal("True", vault.Condition.Status);
    }

    [Fact]
    public async Task Another_root_in_Vault_is_believed_by_all_before_anybody_shows_it_and_the_old_one_leaves_last()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.SettleAsync();
        var old = vault.World.Root().Signer!;
        await vault.RotateAsync();
        vault.World.Annotate("now");

        Assert.Equal(AuthorityChange.Renew, Assert.IsType<PlanStep.WriteAuthority>(Assert.Single(await vault.PassAsync())).Change);
        Assert.Equal((2, old.Fingerprint), (vault.World.Root().Generation, Assert.Single(vault.World.Root().Older).Fingerprint));
        Assert.Equal([CertificateChange.Trust, CertificateChange.Trust], (await vault.PassAsync()).OfType<PlanStep.WriteCertificate>().Select(step => step.Change));
        Assert.Empty(await vault.PassAsync());
        vault.Clock.Advance(Lifetimes.Spread);
        Assert.Equal([CertificateChange.Issue, CertificateChange.Issue], (await vault.PassAsync()).OfType<PlanStep.WriteCertificate>().Select(step => step.Change));
        Assert.Equal(old.Fingerprint, Assert.Single(vault.World.Root().Older).Fingerprint);
        await vault.SettleAsync();
        vault.World.AssertConverged();
        Assert.Equal(2, Authority.GenerationOf(vault.World.Found(CertificateWorld.Redis)));
    }

    [Fact]
    public async Task Another_root_is_found_at_the_next_renewal_without_being_told()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.SettleAsync();
        var old = vault.World.Root().Signer!.Fingerprint;
        await vault.RotateAsync();
        vault.Clock.Advance(TimeSpan.FromDays(61));
        await vault.SettleAsync();
        vault.World.AssertConverged();
        Assert.NotEqual(old, vault.World.Root().Signer!.Fingerprint);
    }

    [Fact]
    public async Task Asked_to_rotate_while_Vault_signs_by_the_same_root_nothing_changes_but_the_answer()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.SettleAsync();
        var root = vault.World.Root();
        vault.World.Annotate("now");
        await vault.SettleAsync();
        vault.World.AssertConverged();
        Assert.Equal((root.Generation, root.Signer!.Fingerprint, "now"), (vault.World.Root().Generation, vault.World.Root().Signer!.Fingerprint, vault.World.Root().Asked));
        Assert.Equal(3, vault.Requests);
    }

    [Fact]
    public async Task From_the_operator_to_Vault_and_back_everybody_is_believed_at_every_write()
    {
        var world = CertificateWorld.Issued();
        var own = world.Root().Signer!.Fingerprint;
        await using var vault = await VaultPki.StartAsync(world: world);
        await vault.SettleAsync();
        world.AssertConverged();
        Assert.NotEqual(own, world.Root().Signer!.Fingerprint);
        Assert.DoesNotContain(Authority.Key, world.Found(CertificateWorld.Authority).Fields.Keys);

        world.Issuer(TlsIssuer.Operator);
        await vault.SettleAsync();
        world.AssertConverged();
        Assert.True(world.Root().CanSign);
    }

    [Fact]
    public async Task From_cert_manager_to_Vault_everybody_is_believed_at_every_write()
    {
        var world = CertificateWorld.OfCertManager();
        await using var vault = await VaultPki.StartAsync(world: world);
        await vault.SettleAsync();
        world.AssertConverged();
        Assert.False(CertificateSecrets.IsOfCertManager(world.Found(CertificateWorld.Redis)));
        Assert.DoesNotContain(Authority.Key, world.Found(CertificateWorld.Authority).Fields.Keys);
    }

    [Fact]
    public async Task Below_an_intermediate_authority_servers_show_it_and_clients_believe_its_root()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.IntermediateAsync(withRoot: true);
        await vault.SettleAsync();
        vault.World.AssertConverged();
        Assert.Equal("CN=offline root", vault.World.Root().Signer!.Subject);
        using var shown = PemText.Certificates(vault.World.Found(CertificateWorld.Redis).Fields[CertificateRequest.Chain]);
        Assert.Equal(2, shown!.All.Count);
    }

    public static TheoryData<string, string, string> Refusals => new()
    {
        { """{"allowed_domains":"*.svc","allow_glob_domains":true,"key_type":"ec","max_ttl":"40m"}""", "IssuerUnusable", "raise its max_ttl" },
        { """{"allowed_domains":"*.svc","allow_glob_domains":true,"key_type":"ec","client_flag":false}""", "IssuerUnusable", "set server_flag and client_flag to true" },
        { """{"key_type":"ec","max_ttl":"24h","allow_localhost":false,"allow_any_name":false,"allowed_domains":"*.svc","allow_glob_domains":true}""", "IssuerRefused", "subject alternate name localhost not allowed by this role" },
        { """{"allowed_domains":"example.com","allow_subdomains":true,"key_type":"ec"}""", "IssuerRefused", "common name shop-redis.default.svc not allowed by this role" },
        { """{"allowed_domains":"*.svc","allow_glob_domains":true}""", "IssuerRefused", "role requires keys of type rsa" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task What_servers_could_not_use_is_never_written_and_the_fix_is_said(string role, string reason, string words)
    {
        await using var vault = await VaultPki.StartAsync(role);
        Assert.Empty(await vault.PassAsync());
        Assert.Equal(("False", reason), (vault.Condition.Status, vault.Condition.Reason));
        Assert.Contains(words, vault.Condition.Message, StringComparison.Ordinal);
        // Somebody mends the role.
        await vault.RoleAsync(VaultPki.Role);
        await vault.SettleAsync();
        vault.World.AssertConverged();
    }

    [Fact]
    public async Task A_role_that_takes_names_from_the_question_and_not_from_the_request_will_do()
    {
        await using var vault = await VaultPki.StartAsync("""{"allow_any_name":true,"key_type":"any","use_csr_sans":false,"use_csr_common_name":false}""");
        await vault.SettleAsync();
        vault.World.AssertConverged();
    }

    [Fact]
    public async Task Roots_that_Vault_does_not_know_or_that_are_weak_are_not_believed()
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.IntermediateAsync(withRoot: false);
        Assert.Empty(await vault.PassAsync());
        Assert.Contains("leads up to no root: import the certificate of its root into Vault", vault.Condition.Message, StringComparison.Ordinal);

        await vault.IntermediateAsync(withRoot: true, lifetime: TimeSpan.FromDays(30));
        vault.Clock.Advance(TimeSpan.FromMinutes(6));
        Assert.Empty(await vault.PassAsync());
        Assert.Equal("IssuerRefused", vault.Condition.Reason);
        Assert.Contains("ends before a certificate would: renew it", vault.Condition.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_above_a_certificate_that_is_too_small_is_refused()
    {
        Assert.Contains("a key that is too small", Flaw(RSA.Create(1024)), StringComparison.Ordinal);
        Assert.Null(Flaw(RSA.Create(2048)));
    }

    [Theory]
    [InlineData("sealed", "VaultSealed", "unseal it")]
    [InlineData("away", "VaultUnreachable", "does not answer")]
    [InlineData("policy", "VaultForbidden", "grant update on it to its policy")]
    [InlineData("role", "IssuerMissing", "write pki/roles/gone")]
    [InlineData("mount", "IssuerMissing", "enable a PKI secrets engine there")]
    [InlineData("trust", "VaultForbidden", "--vault-address")]
    public async Task While_Vault_does_not_sign_what_runs_keeps_running_on_what_it_has(string what, string reason, string fix)
    {
        await using var vault = await VaultPki.StartAsync();
        await vault.SettleAsync();
        var before = _secrets.Append(CertificateWorld.Authority).ToDictionary(name => name, vault.World.Found);
        await BreakAsync(vault, what);
        vault.Clock.Advance(TimeSpan.FromDays(61));
        for (var passes = 0; passes < 5; passes++)
        {
            Assert.Empty(await vault.PassAsync());
            vault.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(("False", reason), (vault.Condition.Status, vault.Condition.Reason));
        Assert.Contains(fix, vault.Condition.Message, StringComparison.Ordinal);
        Assert.Contains("what runs keeps running on what it has", vault.Condition.Message, StringComparison.Ordinal);
        Assert.All(before, pair => Assert.Same(pair.Value, vault.World.Found(pair.Key)));

        vault.Clock.Advance(TimeSpan.FromDays(60));
        await vault.PassAsync();
        Assert.Equal("Expired", vault.Condition.Reason);
        Assert.Contains(reason, vault.Condition.Message, StringComparison.Ordinal);
        Assert.All(before, pair => Assert.Same(pair.Value, vault.World.Found(pair.Key)));
    }

    [Fact]
    public async Task A_Vault_that_is_slow_holds_up_the_first_pass_for_seconds_and_others_not_at_all()
    {
        await using var vault = await VaultPki.StartAsync();
        var until = new TaskCompletionSource();
        vault.Server.Fail(call => call.Path.StartsWith("pki/sign/", StringComparison.Ordinal), new VaultFault.Wait(until.Task));
        var first = vault.PassAsync(patient: false);
        await vault.Clock.TimerWithinAsync(TimeSpan.FromSeconds(5));
        vault.Clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty(await first);
        Assert.Equal(("False", "Missing"), (vault.Condition.Status, vault.Condition.Reason));
        Assert.Empty(await vault.PassAsync(patient: false));
        until.SetResult();
        await vault.AnsweredAsync();
        await vault.SettleAsync();
        vault.World.AssertConverged();
    }

    [Fact]
    public async Task What_cannot_be_used_is_asked_for_less_and_less_often()
    {
        await using var vault = await VaultPki.StartAsync(VaultPki.Role.Replace("2160h", "10m", StringComparison.Ordinal));
        for (var passes = 0; passes < 360; passes++)
        {
            await vault.PassAsync();
            vault.Clock.Advance(TimeSpan.FromSeconds(10));
        }

        // Two Secrets, each at 0, 10, 30, 70, 150, 310 s, then every five minutes.
        Assert.InRange(vault.Requests, 20, 36);
    }

    [Theory]
    [InlineData("{issuer: Vault, vault: {pkiRole: db}}", "spec.tls.vault.address")]
    [InlineData("{issuer: Vault, vault: {pkiRole: db, address: 'http://vault:8200'}}", "spec.tls.vault.address")]
    [InlineData("{issuer: Vault, vault: {pkiRole: a/b, address: 'https://vault:8200'}}", "spec.tls.vault.pkiRole")]
    [InlineData("{issuer: Vault, vault: {pkiRole: db, mount: ../kv, address: 'https://vault:8200'}}", "spec.tls.vault.mount")]
    [InlineData("{issuer: Vault, vault: {pkiRole: db, namespace: ns1}}, credentials: {source: Vault, vault: {address: 'https://vault:8200'}}", "spec.tls.vault.namespace")]
    public void Settings_that_cannot_be_are_refused_by_their_field_and_what_is_there_stays(string tls, string field)
    {
        var world = CertificateWorld.Issued();
        world.Stack = world.Stack with { Spec = new CertificateWorld($"{{tier: Development, engines: {{redis: {{}}}}, tls: {tls}}}").Stack.Spec };
        Assert.Equal(field, Assert.Single(StackPlanner.Plan(world.Observation).Violations, violation => violation.Reason == "InvalidSpec").Field);
        Assert.Empty(world.Plan().Steps);
        Assert.Empty(world.Plan().Unsigned);
    }

    [Fact]
    public void Nothing_is_asked_for_a_stack_that_is_paused()
    {
        var world = new CertificateWorld("{tier: Development, paused: true, engines: {redis: {}}}");
        world.Issuer(TlsIssuer.Vault);
        Assert.Empty(StackPlanner.Plan(world.Observation).Unsigned);
        world.Stack = world.Stack with { Spec = world.Stack.Spec with { Paused = false } };
        Assert.Equal(CertificateWorld.Redis, Assert.Single(StackPlanner.Plan(world.Observation).Unsigned).Request.SecretName);
    }

    private static async Task BreakAsync(VaultPki vault, string what)
    {
        switch (what)
        {
            case "sealed":
                vault.Server.Sealed = true;
                break;
            case "away":
                vault.Server.Fail(_ => true, new VaultFault.CutBefore(), times: 1000);
                break;
            case "policy":
                await vault.Setup.PolicyAsync("""path "kv/data/x" { capabilities = ["read"] }""");
                break;
            case "role":
                await vault.Setup.PolicyAsync("""path "pki/sign/*" { capabilities = ["update"] }""");
                vault.Use("gone");
                break;
            case "mount":
                await vault.Setup.PolicyAsync("""path "elsewhere/*" { capabilities = ["update"] }""");
                vault.Use("db-server", "elsewhere");
                break;
            default:
                vault.Connect(VaultAccess());
                break;
        }
    }

    private static Operator.Credentials.VaultAccess VaultAccess() => new(["https://another:8200"]);

    private static string? Flaw(RSA authorityKey)
    {
        using var own = authorityKey;
        var authority = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=root", own, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        authority.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = new DateTimeOffset(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
        using var root = authority.CreateSelfSigned(now.AddDays(-1), now.AddYears(1));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=a.svc", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("a.svc");
        request.CertificateExtensions.Add(names.Build());
        using var leaf = request.Create(root.SubjectName, X509SignatureGenerator.CreateForRSA(own, RSASignaturePadding.Pkcs1), now.AddMinutes(-1), now.AddDays(90), [1, 2, 3]);
        var content = SignatureRules.Content(new(leaf.ExportCertificatePem(), [root.ExportCertificatePem()]), key.ExportPkcs8PrivateKeyPem())!;
        return SignatureRules.Flaw(content, ["a.svc"], "pki/sign/db", now);
    }
}
