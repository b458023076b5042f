using System.Text.Json.Nodes;
using Dora.Operator.Stacks;
using Dora.Testing.Vault;

namespace Dora.Operator.Tests.Credentials;

/// <summary>Vault as the authority for passwords, from the first to the changed one.</summary>
public sealed class VaultPasswordTests
{
    private const string ClerkPath = $"{VaultStack.Folder}/{VaultStack.Clerk}";
    private const string InternalPath = $"{VaultStack.Folder}/{VaultStack.Internal}";

    [Fact]
    public async Task Generated_passwords_are_in_Vault_before_they_are_in_a_Secret()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        await stack.AssertOnePasswordAsync();
        Assert.Matches("^[A-Za-z0-9]{32}$", (string)(await stack.InVaultAsync(VaultStack.Clerk))!);
        Assert.Matches("^[A-Za-z0-9]{32}$", (string)(await stack.InVaultAsync(VaultStack.Internal, "superuser-password"))!);
        // Only what is generated: the user's name is no secret and no wish.
        Assert.Equal(["password"], (await stack.Setup.ReadAsync(ClerkPath))!.Select(pair => pair.Key));
        Assert.Equal("clerk", stack.Secret(VaultStack.Clerk, "username"));
    }

    [Fact]
    public async Task Passwords_that_are_in_Vault_already_are_taken()
    {
        await using var stack = await VaultStack.StartAsync(", generate: false");
        await stack.PassAsync();
        Assert.Empty(stack.Secrets);
        Assert.Equal("CredentialMissing", stack.Status!.Conditions!.Single(condition => condition.Type == "Stalled").Reason);
        foreach (var name in (string[])["shop-postgres-app", "shop-postgres-backup", "shop-postgres-monitor", VaultStack.Clerk])
            await stack.Setup.WriteAsync($"{VaultStack.Folder}/{name}", new() { ["password"] = $"of {name}" });
        await stack.Setup.WriteAsync(InternalPath, new() { ["superuser-password"] = "s", ["replication-password"] = "r", ["rewind-password"] = "w", ["restapi-password"] = "a" });
        await stack.UntilCurrentAsync();
        Assert.Equal(("s", $"of {VaultStack.Clerk}"), (stack.Secret(VaultStack.Internal, "superuser-password"), stack.Secret(VaultStack.Clerk)));
        Assert.Contains(":of%20shop-postgres-app@", stack.Secret("shop-postgres-app", "uri"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_writes_first_wins_and_the_Secret_has_what_won()
    {
        await using var stack = await VaultStack.StartAsync();
        var written = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        bool Begin()
        {
            // Not one that servers could be told later: the Secret is right at once, or never.
            _ = stack.Setup.WriteAsync(InternalPath, new() { ["superuser-password"] = "was first", ["replication-password"] = "r", ["rewind-password"] = "w", ["restapi-password"] = "a" }).ContinueWith(write => written.TrySetFromTask(write), TaskScheduler.Default);
            return true;
        }

        stack.Server.Fail(call => call is { Path: $"kv/data/{InternalPath}", Operation: "update" } && call.Token != stack.Server.RootToken && Begin(), new VaultFault.Wait(written.Task));
        await stack.UntilCurrentAsync();
        Assert.True(written.Task.IsCompletedSuccessfully);
        Assert.Equal("was first", stack.Secret(VaultStack.Internal, "superuser-password"));
        await stack.AssertOnePasswordAsync();
    }

    [Fact]
    public async Task A_stack_that_comes_to_use_Vault_keeps_its_passwords()
    {
        await using var stack = await VaultStack.StartAsync(source: "Generated");
        await stack.UntilAsync(() => stack.Secrets.Count == 5);
        var before = stack.Secrets.ToDictionary(name => name, name => stack.Secret(name) ?? stack.Secret(name, "superuser-password"));
        Assert.Equal("", stack.Condition.Status);
        stack.PatchSpec($"{{credentials: {{source: Vault, vault: {{address: '{stack.Address}', authMount: approle}}}}}}");
        await stack.UntilCurrentAsync();
        await stack.AssertOnePasswordAsync();
        Assert.Equal(before, stack.Secrets.ToDictionary(name => name, name => stack.Secret(name) ?? stack.Secret(name, "superuser-password")));
    }

    [Fact]
    public async Task A_password_changed_in_Vault_reaches_the_database_and_then_the_Secret_within_a_minute()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Clerk);
        await stack.Setup.WriteAsync(ClerkPath, new() { ["password"] = "chosen by a person" });
        stack.Servers!.Silent.Add(1);
        var began = stack.Clock.Elapsed;
        await stack.UntilAsync(() => stack.Condition == ("False", "CredentialPending"));
        await stack.PassAsync();
        Assert.Equal(old, stack.Secret(VaultStack.Clerk));
        Assert.InRange(stack.Clock.Elapsed - began, TimeSpan.Zero, TimeSpan.FromMinutes(1));

        stack.Servers.Silent.Clear();
        await stack.UntilAsync(() => stack.Secret(VaultStack.Clerk) == "chosen by a person");
        // The other user has it, so that nobody who still has the old one is refused; and Vault says so.
        Assert.Equal(("clerk.b", "clerk.b"), (stack.Secret(VaultStack.Clerk, "username"), await stack.InVaultAsync(VaultStack.Clerk, "username")));
        Assert.Contains(new("clerk", old!), stack.Servers.Of(0, VaultStack.Clerk));
        await stack.UntilProvenAsync(VaultStack.Clerk);
        await stack.UntilCurrentAsync();
        await stack.AssertOnePasswordAsync();
    }

    [Fact]
    public async Task A_password_that_servers_cannot_change_live_waits()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Internal, "superuser-password");
        await stack.Setup.WriteAsync(InternalPath, new() { ["superuser-password"] = "new", ["replication-password"] = "new", ["rewind-password"] = "new", ["restapi-password"] = "new" });
        await stack.UntilAsync(() => stack.Condition == ("False", "CredentialPending"));
        await stack.PassAsync();
        Assert.Equal(old, stack.Secret(VaultStack.Internal, "superuser-password"));
        Assert.Equal("False", stack.Status!.Conditions!.Single(condition => condition.Type == "Stalled").Status);
        Assert.DoesNotContain("new,", stack.Status!.Conditions!.Single(condition => condition.Type == "CredentialsCurrent").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"password":""}""")]
    [InlineData("""{"password":42}""")]
    [InlineData("""{"passwort":"a"}""")]
    public async Task What_is_no_password_changes_nothing(string values)
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Clerk);
        await stack.Setup.WriteAsync(ClerkPath, JsonNode.Parse(values)!.AsObject());
        await stack.UntilAsync(() => stack.Condition == ("False", "CredentialInvalid"));
        await stack.PassAsync();
        Assert.Equal(old, stack.Secret(VaultStack.Clerk));
        Assert.Equal([new("clerk", old!)], stack.Servers!.Of(0, VaultStack.Clerk));
        await stack.Setup.WriteAsync(ClerkPath, new() { ["password"] = "mended" });
        await stack.UntilCurrentAsync();
        Assert.Equal("mended", stack.Secret(VaultStack.Clerk));
    }

    [Fact]
    public async Task A_password_deleted_in_Vault_is_neither_revoked_nor_written_again()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Clerk);
        await stack.Setup.DeleteAsync(ClerkPath);
        await stack.UntilAsync(() => stack.Condition == ("False", "CredentialMissing"));
        await stack.PassAsync();
        Assert.Equal((old, null), (stack.Secret(VaultStack.Clerk), await stack.InVaultAsync(VaultStack.Clerk)));
        Assert.Equal([new("clerk", old!)], stack.Servers!.Of(0, VaultStack.Clerk));
    }

    [Theory]
    [InlineData("VaultSealed")]
    [InlineData("VaultForbidden")]
    [InlineData("VaultUnreachable")]
    public async Task Without_Vault_all_goes_on_as_it_is_and_the_status_does_not_move(string reason)
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var before = stack.Secrets.ToDictionary(name => name, name => stack.Secret(name));
        Break(stack, reason);
        await stack.UntilAsync(() => stack.Condition == ("Unknown", reason));
        var said = stack.Status!.Conditions!.Single(condition => condition.Type == "CredentialsCurrent").Message;
        Assert.Contains("what runs keeps running", said, StringComparison.Ordinal);
        for (var pass = 0; pass < 5; pass++)
        {
            var (plan, _) = await stack.PassAsync();
            Assert.Empty(plan.Violations);
            Assert.DoesNotContain(plan.Steps, step => step is PlanStep.CreateCredential or PlanStep.AdoptCredential);
            Assert.Equal(said, stack.Status!.Conditions!.Single(condition => condition.Type == "CredentialsCurrent").Message);
            stack.Clock.Advance(TimeSpan.FromSeconds(17));
        }

        Assert.Equal(before, stack.Secrets.ToDictionary(name => name, name => stack.Secret(name)));
        // Nor does a process that knows nothing take what it cannot read for missing.
        stack.Restart();
        await stack.PassAsync();
        Assert.Equal((("Unknown", reason), 5), (stack.Condition, stack.Secrets.Count));
    }

    [Fact]
    public async Task A_new_stack_waits_for_Vault_and_generates_nothing_meanwhile()
    {
        await using var stack = await VaultStack.StartAsync();
        stack.Server.Sealed = true;
        await stack.PassAsync();
        await stack.PassAsync();
        Assert.Empty(stack.Secrets);
        Assert.Equal("VaultSealed", stack.Status!.Conditions!.Single(condition => condition.Type == "Stalled").Reason);
        stack.Server.Sealed = false;
        await stack.UntilCurrentAsync();
        await stack.AssertOnePasswordAsync();
    }

    [Fact]
    public async Task A_lost_Secret_comes_back_from_Vault_with_the_same_password()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Internal, "superuser-password");
        stack.DeleteSecret(VaultStack.Internal);
        stack.Restart();
        await stack.UntilCurrentAsync();
        Assert.Equal(old, stack.Secret(VaultStack.Internal, "superuser-password"));
    }

    [Fact]
    public async Task At_rest_Vault_is_asked_once_per_Secret_in_half_a_minute_and_for_no_password()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        stack.Clock.Advance(TimeSpan.FromSeconds(31));
        await stack.PassAsync();
        var (before, reads) = (stack.Calls, Reads());
        for (var pass = 0; pass < 30; pass++)
        {
            stack.Clock.Advance(TimeSpan.FromSeconds(10));
            var (plan, _) = await stack.PassAsync();
            Assert.DoesNotContain(plan.Steps, step => step is PlanStep.CreateCredential or PlanStep.AdoptCredential);
        }

        Assert.InRange(stack.Calls - before, 5, 5 * 10);
        Assert.Equal(reads, Reads());

        int Reads() => stack.Server.Calls.Count(call => call.ToString().StartsWith("read kv/data", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_Vault_that_the_operator_is_not_told_to_trust_sees_no_login()
    {
        await using var stack = await VaultStack.StartAsync();
        stack.Access = stack.Access with { Addresses = ["https://vault.example.com"] };
        stack.Restart();
        await stack.PassAsync();
        Assert.Equal(0, stack.Calls);
        var stalled = stack.Status!.Conditions!.Single(condition => condition.Type == "Stalled");
        Assert.Equal("VaultForbidden", stalled.Reason);
        Assert.Contains("--vault-address", stalled.Message, StringComparison.Ordinal);
    }

    public static TheoryData<VaultFault> Faults =>
    [
        new VaultFault.CutBefore(), new VaultFault.CutAfter(), new VaultFault.CutInBody(), new VaultFault.Seal(), new VaultFault.SealAfter(),
        new VaultFault.Answer(500, """{"errors":["internal error"]}"""), new VaultFault.Answer(502, ""), new VaultFault.Answer(403, """{"errors":["permission denied"]}"""), new VaultFault.Answer(200, "<html>"),
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Whatever_call_of_the_creation_fails_there_is_one_password_in_the_end(VaultFault fault)
    {
        await using var stack = await VaultStack.StartAsync();
        for (var failing = 1; ; failing++)
        {
            var (call, struck) = (0, false);
            stack.Server.Fail(seen => seen.Token != stack.Server.RootToken && ++call == failing && (struck = true), fault);
            for (var pass = 0; pass < 3; pass++)
                await stack.PassAsync();
            // The process may die with what it knows, too.
            if (failing % 2 == 0)
                stack.Restart();
            await stack.UntilAsync(() =>
            {
                stack.Server.Sealed = false;
                return stack.Condition == ("True", "Current");
            });
            await stack.AssertOnePasswordAsync();
            Assert.Equal(5, stack.Secrets.Count);
            Assert.All(stack.Server.Calls.Where(made => made.Path.StartsWith("kv/data/", StringComparison.Ordinal) && made.Body["options"]?["cas"] is not null), write => Assert.Equal(0, (int)write.Body["options"]!["cas"]!));
            if (!struck)
                break;
            await stack.ResetAsync();
        }
    }

    private static void Break(VaultStack stack, string reason)
    {
        if (reason == "VaultSealed")
            stack.Server.Sealed = true;
        else if (reason == "VaultForbidden")
            stack.Server.Fail(call => call.Path.StartsWith("kv/", StringComparison.Ordinal), new VaultFault.Answer(403, """{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"""), int.MaxValue);
        else
            stack.Server.Fail(_ => true, new VaultFault.CutBefore(), int.MaxValue);
    }
}
