using Dora.Api;
using Dora.Engines;
using Dora.Operator.Cli;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Credentials;

/// <summary>What follows from what Vault says, without any server.</summary>
public sealed class VaultRulesTests
{
    private const string Internal = "shop-postgres-internal";
    private const string Clerk = "shop-postgres-role-clerk";
    private const string Settings = "{source: Vault, vault: {address: 'https://vault:8200'}}";

    private static readonly VaultReading.Unavailable _sealed = new("VaultSealed", "Vault at https://vault:8200 is sealed: unseal it");

    [Theory]
    [InlineData("{source: Vault}", "spec.credentials.vault")]
    [InlineData("{vault: {address: 'https://vault:8200'}}", "spec.credentials.vault")]
    [InlineData("{source: Vault, vault: {address: 'http://vault.vault:8200'}}", "spec.credentials.vault.address")]
    [InlineData("{source: Vault, vault: {address: 'http://10.0.0.1:8200'}}", "spec.credentials.vault.address")]
    [InlineData("{source: Vault, vault: {address: 'https://vault:8200/v1'}}", "spec.credentials.vault.address")]
    [InlineData("{source: Vault, vault: {address: 'https://me:pass@vault:8200'}}", "spec.credentials.vault.address")]
    [InlineData("{source: Vault, vault: {address: 'vault:8200'}}", "spec.credentials.vault.address")]
    [InlineData("{source: Vault, vault: {address: 'https://vault:8200', caSecret: a, caConfigMap: b}}", "spec.credentials.vault.caSecret")]
    [InlineData("{source: Vault, vault: {address: 'https://vault:8200', path: dora/../compliance}}", "spec.credentials.vault.path")]
    [InlineData("{source: Vault, vault: {address: 'https://vault:8200', path: dora/others/compliance}}", "spec.credentials.vault.path")]
    [InlineData("{source: Vault, vault: {address: 'https://vault:8200', path: compliance}}", "spec.credentials.vault.path")]
    public void Settings_that_cannot_be_carried_out_are_named(string credentials, string field) =>
        Assert.Contains(field, VaultRules.Check(Stack(credentials)).Select(violation => violation.Field));

    [Theory]
    [InlineData(Settings)]
    [InlineData("{source: Vault, vault: {address: 'http://127.0.0.1:8200'}}")]
    [InlineData("{source: Vault, vault: {address: 'http://[::1]:8200', path: dbs/compliance/anything}}")]
    [InlineData("{source: Generated}")]
    public void Settings_that_can_be_carried_out_are_taken(string credentials) => Assert.Empty(VaultRules.Check(Stack(credentials)));

    [Fact]
    public void A_Secret_that_Vault_does_not_hold_is_written_there_and_never_made_anew()
    {
        var plan = Plan(found: true, _ => new VaultReading.Absent("kv/x"));
        Assert.Empty(plan.Violations);
        Assert.Contains(plan.Steps, step => step is PlanStep.AdoptCredential { Request.SecretName: Internal });
        Assert.DoesNotContain(plan.Steps, step => step is PlanStep.CreateCredential);
    }

    [Fact]
    public void While_Vault_is_sealed_nothing_is_done_to_Secrets_that_exist_and_none_is_made()
    {
        var running = Plan(found: true, _ => _sealed);
        Assert.Empty(running.Violations);
        Assert.DoesNotContain(running.Steps, step => step is PlanStep.AdoptCredential or PlanStep.CreateCredential);

        var fresh = Plan(found: false, _ => _sealed);
        Assert.All(fresh.Violations, violation => Assert.Equal("VaultSealed", violation.Reason));
        Assert.DoesNotContain(fresh.Steps, step => step is PlanStep.CreateCredential);
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 1)]
    public void Nothing_is_generated_where_somebody_else_writes_the_passwords(bool generate, int violations)
    {
        var plan = Plan(found: false, name => name == Internal ? new VaultReading.Absent("kv/dora/compliance/shop/postgres/" + Internal) : Found(name), $"{{source: Vault, vault: {{address: 'https://vault:8200', generate: {(generate ? "true" : "false")}}}}}");
        Assert.Equal(violations, plan.Violations.Count);
        if (!generate)
            Assert.Contains("write superuser-password, replication-password, rewind-password, restapi-password there", Assert.Single(plan.Violations).Fix, StringComparison.Ordinal);
        Assert.Equal(generate, plan.Steps.OfType<PlanStep.CreateCredential>().Any(step => step.Request.SecretName == Internal));
    }

    [Fact]
    public void Over_existing_data_a_Secret_is_made_of_what_Vault_holds_and_of_nothing_else()
    {
        Assert.Empty(Plan(found: false, Found, data: true).Violations);
        Assert.Equal("CredentialMissing", Plan(found: false, name => name == Internal ? new VaultReading.Absent("kv/x") : Found(name), data: true).Violations.Single().Reason);
        Assert.Equal("CredentialMissing", Plan(found: false, name => name == Internal ? new VaultReading.Gone("kv/x", 3) : Found(name), data: true).Violations.Single().Reason);
        Assert.Equal("CredentialInvalid", Plan(found: false, name => name == Internal ? new VaultReading.Found("kv/x", new Dictionary<string, string>(), 3) : Found(name), data: true).Violations.Single().Reason);
    }

    [Fact]
    public void A_changed_password_begins_a_change_of_the_servers_once_all_of_them_serve()
    {
        VaultReading Changed(string name) => name == Clerk ? Found(name, "new", 2) : Found(name);
        var observed = Observed(found: true, Changed);
        var records = RotationRecord.SecretName("shop", "postgres");
        observed = observed with { Credentials = new Dictionary<string, SecretReading>(observed.Credentials) { [records] = new SecretReading.Missing() } };
        var plan = StackPlanner.Plan(observed);
        Assert.Equal("value", EngineTargets.Of(plan.Engines[0], observed).Credential(Clerk, "password"));
        Assert.Empty(plan.Rotations);
        Assert.Equal(("False", "CredentialPending"), Condition(observed));
        var health = new EngineHealth(EngineVerdict.Healthy, [new("shop-postgres-0", MemberRole.Primary, true)], "shop-postgres-0", "15.1", "", []);
        var serving = plan.Engines[0] with { Observed = new(Health: health, Workload: new(new("shop-postgres"))) };
        Assert.Equal((Clerk, RotationStep.Follow), Assert.Single(RotationPlan.Of([serving], observed).Select(planned => (planned.Role.SecretName, planned.Step))));
        // What is kept is not known: somebody may be in the middle of a change.
        Assert.Empty(RotationPlan.Of([serving], observed with { Credentials = new Dictionary<string, SecretReading>(observed.Credentials) { [records] = new SecretReading.Unreadable("no") } }));
    }

    [Fact]
    public void A_change_that_servers_cannot_take_while_they_run_waits_and_says_so()
    {
        var observed = Observed(found: true, name => name == Internal ? Found(name, "new", 2) : Found(name));
        var plan = StackPlanner.Plan(observed);
        Assert.Empty(plan.Violations);
        Assert.Equal("value", EngineTargets.Of(plan.Engines[0], observed).Credential(Internal, "superuser-password"));
        Assert.Empty(plan.Rotations);
        Assert.Equal(("False", "CredentialPending"), Condition(observed));
        Assert.Contains(Internal, VaultRules.Condition(observed, plan)!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_shapes_change_nothing_and_are_named_with_their_path()
    {
        var observed = Observed(found: true, name => name == Clerk ? new VaultReading.Found("kv/dora/compliance/shop/postgres/" + Clerk, new Dictionary<string, string>(), 2) : Found(name));
        var plan = StackPlanner.Plan(observed);
        Assert.Empty(plan.Violations);
        Assert.Equal("value", EngineTargets.Of(plan.Engines[0], observed).Credential(Clerk, "password"));
        Assert.Equal(("False", "CredentialInvalid"), Condition(observed));
        Assert.Contains("kv/dora/compliance/shop/postgres/" + Clerk, VaultRules.Condition(observed, plan)!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_condition_is_there_for_stacks_with_Vault_alone()
    {
        Assert.Equal(("True", "Current"), Condition(Observed(found: true, Found)));
        Assert.Equal(("Unknown", "VaultSealed"), Condition(Observed(found: true, name => name == Clerk ? _sealed : Found(name))));
        var generated = Observed(found: true, Found) with { Stack = Stack("{source: Generated}") };
        Assert.Null(VaultRules.Condition(generated, StackPlanner.Plan(generated)));
    }

    [Fact]
    public void No_text_holds_a_password()
    {
        var observed = Observed(found: true, name => Found(name, "correct horse", 2));
        var plan = StackPlanner.Plan(observed);
        Assert.DoesNotContain("correct horse", $"{VaultRules.Condition(observed, plan)} {string.Join(' ', plan.Steps)} {string.Join(' ', observed.Vault.Values)}", StringComparison.Ordinal);
    }

    private static (string, string) Condition(StackObservation observed)
    {
        var condition = VaultRules.Condition(observed, StackPlanner.Plan(observed))!;
        return (condition.Status, condition.Reason);
    }

    private static StackPlan Plan(bool found, Func<string, VaultReading> vault, string credentials = Settings, bool data = false) => StackPlanner.Plan(Observed(found, vault, credentials, data));

    private static VaultReading Found(string name) => Found(name, "value");

    private static VaultReading.Found Found(string name, string value, int version = 1) =>
        new($"kv/dora/compliance/shop/postgres/{name}", Keys.ToDictionary(key => key, _ => value), version);

    private static string[] Keys { get; } = ["password", "superuser-password", "replication-password", "rewind-password", "restapi-password"];

    private static StackObservation Observed(bool found, Func<string, VaultReading> vault, string credentials = Settings, bool data = false)
    {
        var stack = Stack(credentials);
        if (data)
            stack = stack with { Status = new(Engines: [new("postgres", Initialized: true)]) };
        var nowhere = StackObservation.Nowhere(stack, new());
        var requests = StackPlanner.Plan(nowhere).Engines.SelectMany(engine => engine.Cluster.Credentials()).ToList();
        return nowhere with
        {
            Credentials = requests.ToDictionary(request => request.SecretName, request => found ? new SecretReading.Found(request.Fields.ToDictionary(field => field.Key, field => field.Key == "username" ? field.Value! : "value"), false) : (SecretReading)new SecretReading.Missing()),
            Vault = requests.ToDictionary(request => request.SecretName, request => vault(request.SecretName)),
        };
    }

    private static ComplianceStack Stack(string credentials) => StackFile.Read(
        $"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: shop, namespace: compliance, uid: u, generation: 1}}, spec: {{tier: Development, credentials: {credentials}, engines: {{postgres: {{roles: [{{name: clerk}}]}}}}}}}}")[0];
}
