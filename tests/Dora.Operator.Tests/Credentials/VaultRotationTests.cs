using Dora.Api;
using Dora.Engines;
using Dora.Testing.Vault;

namespace Dora.Operator.Tests.Credentials;

/// <summary>Passwords that change while Vault is their authority: it has the last word, and nobody is locked out.</summary>
public sealed class VaultRotationTests
{
    private const string ClerkPath = $"{VaultStack.Folder}/{VaultStack.Clerk}";

    [Fact]
    public async Task A_new_password_is_accepted_by_servers_then_in_Vault_then_in_the_Secret_and_the_old_one_is_refused()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Clerk);
        var (atWrite, inSecret) = (new List<Login>(), new List<string?>());
        stack.Server.Fail(
            call =>
            {
                if (call is not { Path: $"kv/data/{ClerkPath}", Operation: "patch" })
                    return false;
                (atWrite, inSecret) = ([.. stack.Servers!.Of(2, VaultStack.Clerk)], [stack.Secret(VaultStack.Clerk)]);
                return false;
            },
            new VaultFault.CutBefore());
        stack.Asked = "now";
        await stack.UntilProvenAsync(VaultStack.Clerk);
        var next = stack.Secret(VaultStack.Clerk);
        Assert.Equal([new("clerk", old!), new("clerk.b", next!)], atWrite.OrderBy(login => login.Username));
        Assert.Equal([old], inSecret);
        Assert.Equal([new("clerk.b", next!)], stack.Servers!.Of(2, VaultStack.Clerk));
        Assert.Equal("clerk.b", await stack.InVaultAsync(VaultStack.Clerk, "username"));
        // Over the version that was read, once.
        Assert.Equal(1, (int)Assert.Single(Writes(stack)).Body["options"]!["cas"]!);
    }

    [Fact]
    public async Task Who_writes_to_Vault_while_a_password_changes_has_chosen_the_next_one()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var (old, theirs) = (stack.Secret(VaultStack.Clerk), new TaskCompletionSource());
        bool Begin()
        {
            _ = stack.Setup.WriteAsync(ClerkPath, new() { ["password"] = "theirs" }).ContinueWith(write => theirs.TrySetFromTask(write), TaskScheduler.Default);
            return true;
        }

        stack.Server.Fail(call => call is { Path: $"kv/data/{ClerkPath}", Operation: "patch" } && Begin(), new VaultFault.Wait(theirs.Task));
        stack.Asked = "now";
        await stack.UntilAsync(() => stack.Secret(VaultStack.Clerk) == "theirs");
        Assert.True(theirs.Task.IsCompletedSuccessfully);
        Assert.Equal([new("clerk", old!), new("clerk.b", "theirs")], stack.Servers!.Of(0, VaultStack.Clerk).OrderBy(login => login.Username));
        await stack.UntilProvenAsync(VaultStack.Clerk);
        Assert.Equal([new("clerk.b", "theirs")], stack.Servers.Of(0, VaultStack.Clerk));
        Assert.Equal("clerk.b", await stack.InVaultAsync(VaultStack.Clerk, "username"));
    }

    [Fact]
    public async Task Who_puts_the_old_password_back_into_Vault_keeps_it()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var old = stack.Secret(VaultStack.Clerk);
        await stack.Setup.WriteAsync(ClerkPath, new() { ["password"] = "withdrawn" });
        await stack.UntilAsync(() => stack.Phase(VaultStack.Clerk) == RotationPhase.Set);
        await stack.Setup.WriteAsync(ClerkPath, new() { ["password"] = old });
        stack.Servers!.Silent.Add(2);
        stack.Clock.Advance(TimeSpan.FromSeconds(31));
        await stack.PassAsync();
        stack.Clock.Advance(TimeSpan.FromSeconds(31));
        stack.Servers.Silent.Clear();
        await stack.UntilAsync(() => stack.Phase(VaultStack.Clerk) == RotationPhase.Idle);
        Assert.Equal(old, stack.Secret(VaultStack.Clerk));
        Assert.Equal([new("clerk", old!)], stack.Servers.Of(0, VaultStack.Clerk));
        await stack.UntilCurrentAsync();
    }

    [Fact]
    public async Task A_Secret_changed_by_hand_is_put_right_and_no_server_is_told_anything()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        var (old, actions) = (stack.Secret(VaultStack.Clerk), stack.Servers!.Of(0, VaultStack.Clerk));
        stack.WriteSecret(VaultStack.Clerk, "by hand");
        stack.Restart();
        await stack.UntilAsync(() => stack.Secret(VaultStack.Clerk) == old);
        Assert.Same(actions, stack.Servers.Of(0, VaultStack.Clerk));
        Assert.Empty(Writes(stack));
    }

    [Fact]
    public async Task A_lost_Secret_comes_back_with_the_user_whose_turn_it_is()
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        stack.Asked = "now";
        await stack.UntilProvenAsync(VaultStack.Clerk);
        var held = (stack.Secret(VaultStack.Clerk, "username"), stack.Secret(VaultStack.Clerk));
        stack.DeleteSecret(VaultStack.Clerk);
        stack.Restart();
        await stack.UntilCurrentAsync();
        Assert.Equal(held, (stack.Secret(VaultStack.Clerk, "username"), stack.Secret(VaultStack.Clerk)));
        Assert.Equal("clerk.b", held.Item1);
    }

    [Theory]
    [InlineData("{ \"password\": \"SAME\" }")]
    [InlineData("{ \"password\": \"SAME\", \"username\": \"clerk\" }")]
    [InlineData("{ \"password\": \"SAME\", \"username\": \"postgres\", \"note\": \"mine\" }")]
    public async Task The_name_beside_a_password_in_Vault_is_the_operators_to_say(string entry)
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        stack.Asked = "now";
        await stack.UntilProvenAsync(VaultStack.Clerk);
        var held = stack.Secret(VaultStack.Clerk);
        await stack.Setup.WriteAsync(ClerkPath, System.Text.Json.Nodes.JsonNode.Parse(entry.Replace("SAME", held, StringComparison.Ordinal))!.AsObject());
        stack.Clock.Advance(TimeSpan.FromSeconds(31));
        for (var pass = 0; pass < 4; pass++)
            await stack.PassAsync();
        Assert.Equal(("clerk.b", held), (await stack.InVaultAsync(VaultStack.Clerk, "username"), stack.Secret(VaultStack.Clerk)));
        Assert.Equal(entry.Contains("mine", StringComparison.Ordinal) ? "mine" : null, await stack.InVaultAsync(VaultStack.Clerk, "note"));
        Assert.Equal(RotationPhase.Proven, stack.Phase(VaultStack.Clerk));
    }

    public static TheoryData<VaultFault> Faults =>
    [
        new VaultFault.CutBefore(), new VaultFault.CutAfter(), new VaultFault.SealAfter(), new VaultFault.Answer(403, """{"errors":["permission denied"]}"""),
    ];

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Vault_may_die_at_any_of_its_calls_and_the_operator_with_it_and_the_change_ends_well(VaultFault fault)
    {
        await using var stack = await VaultStack.StartAsync();
        await stack.UntilCurrentAsync();
        for (var failing = 1; ; failing++)
        {
            var (call, struck) = (0, false);
            stack.Server.Fail(seen => seen.Token != stack.Server.RootToken && seen.Path.EndsWith(ClerkPath, StringComparison.Ordinal) && ++call == failing && (struck = true), fault);
            var old = stack.Secret(VaultStack.Clerk);
            stack.Asked = $"turn {failing}";
            for (var pass = 0; pass < 7; pass++)
            {
                await stack.PassAsync();
                stack.Clock.Advance(TimeSpan.FromSeconds(11));
            }

            if (failing % 2 == 0)
                stack.Restart();
            await stack.UntilProvenAsync(VaultStack.Clerk);
            Assert.NotEqual(old, stack.Secret(VaultStack.Clerk));
            foreach (var role in stack.Servers!.Rotating)
                await stack.UntilAsync(() => Later(stack, role));
            await stack.UntilCurrentAsync();
            await stack.AssertOnePasswordAsync();
            if (!struck)
                return;
        }
    }

    // Changes that begin one after the other end so, too; and a call that Vault dies at may be one of theirs.
    private static bool Later(VaultStack stack, RotatingRole role)
    {
        stack.Server.Sealed = false;
        if (stack.Phase(role.Id) == RotationPhase.Overlapping)
            stack.Clock.Advance(TimeSpan.FromHours(1));
        return stack.Phase(role.Id) == RotationPhase.Proven;
    }

    private static List<VaultCall> Writes(VaultStack stack) => [.. stack.Server.Calls.Where(call => call.Path == $"kv/data/{ClerkPath}" && call.Operation == "patch")];
}
