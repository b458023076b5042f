using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>
/// Takes one step of the change of a password. Each begins with reading both Secrets again, and each write is bound to what was read:
/// whatever somebody else did meanwhile is judged by the next pass. The operator may end after any line of this.
/// </summary>
internal sealed class RotationStore(KubeClient client, CredentialStore secrets, TimeProvider clock)
{
    /// <summary>Takes a step; answers whether anything changed by it.</summary>
    /// <exception cref="RotationException">A server does not answer as it must; the step is taken again later.</exception>
    /// <exception cref="KubeException">The API server refuses, or somebody else was first.</exception>
    public async Task<bool> DoAsync(StackObservation observed, PlannedRotation planned, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(planned);
        var stack = observed.Stack;
        var (engine, role) = (planned.Engine, planned.Role);
        var kept = RotationRecord.SecretName(stack.Metadata.Name!, engine.Engine.Name);
        observed = await ReadAsync(observed, [kept, role.SecretName], cancellationToken).ConfigureAwait(false);
        // It is about to become the truth, and was read up to half a minute ago.
        if (planned.Step == RotationStep.Follow)
            observed = observed with { Vault = new Dictionary<string, VaultReading>(observed.Vault, StringComparer.Ordinal) { [role.SecretName] = await secrets.Vault.ReadNowAsync(stack, Place(engine, role), cancellationToken).ConfigureAwait(false) } };
        var view = RotationPlan.Views(engine, observed).First(view => view.Role == role);
        var wish = RotationWish.Of(stack);
        if (RotationPlan.Next(view, wish, observed.Now) != planned.Step)
            return false;
        var held = view.Held!;
        var servers = new Servers(engine.Cluster, role, EngineTargets.Of(engine, observed));
        var record = view.Record;
        switch (planned.Step)
        {
            case RotationStep.Prepare:
                await BeginAsync(CredentialStore.NewPassword(), wish.Asked).ConfigureAwait(false);
                return true;
            case RotationStep.Follow:
                // The Secret was changed by hand, and Vault holds what servers accept: then nothing but the Secret is to be mended.
                if (Servers.Accepted(await servers.LogInAsync(view.Authority!.Login!, cancellationToken).ConfigureAwait(false)))
                    await FlipAsync(stack, view, view.Authority.Login!, cancellationToken).ConfigureAwait(false);
                else
                    await BeginAsync(view.Authority.Login!.Password, record?.Asked).ConfigureAwait(false);
                return true;
            case RotationStep.Set:
                await servers.AcceptAsync([record!.Old!, record.Next!], cancellationToken).ConfigureAwait(false);
                await KeepAsync(RotationPhase.Set, record).ConfigureAwait(false);
                return true;
            case RotationStep.Verify:
                await VerifyAsync(RotationPhase.Prepared).ConfigureAwait(false);
                await KeepAsync(RotationPhase.Verified, record!).ConfigureAwait(false);
                return true;
            case RotationStep.Publish:
                var open = record is { Open: true } && held == record.Old;
                if (open && !role.TakenFromSecret)
                    await VerifyAsync(RotationPhase.Prepared).ConfigureAwait(false);
                await secrets.Vault.ReplaceAsync(stack, Place(engine, role), VaultPlace.Values(role, open ? record!.Next! : held), view.Authority!.Version, cancellationToken).ConfigureAwait(false);
                return true;
            case RotationStep.Flip when record!.Phase == RotationPhase.Overlapping:
                await KeepAsync(role.TakenFromSecret ? RotationPhase.Prepared : RotationPhase.Verified, record).ConfigureAwait(false);
                return true;
            case RotationStep.Flip:
                // It may be long since they were asked, and one that started anew knows but the old one.
                if (!role.TakenFromSecret)
                    await VerifyAsync(RotationPhase.Prepared).ConfigureAwait(false);
                await FlipAsync(stack, view, record!.Next!, cancellationToken).ConfigureAwait(false);
                return true;
            case RotationStep.Overlap:
                await KeepAsync(RotationPhase.Overlapping, record! with { RotatedAt = Now }).ConfigureAwait(false);
                return true;
            case RotationStep.Hold:
                return await servers.HoldAsync([record!.Old!, record.Next!], cancellationToken).ConfigureAwait(false);
            case RotationStep.Retire:
                await VerifyAsync(null).ConfigureAwait(false);
                await servers.AcceptAsync([record!.Next!], cancellationToken).ConfigureAwait(false);
                await KeepAsync(RotationPhase.Retired, record).ConfigureAwait(false);
                return true;
            case RotationStep.Prove:
                if (role.TakenFromSecret)
                    await VerifyAsync(null).ConfigureAwait(false);
                await servers.ProveAsync(record!.Old!, record.Next!, cancellationToken).ConfigureAwait(false);
                await KeepAsync(RotationPhase.Proven, record with { Next = null, Old = null, ProvenAt = Now }).ConfigureAwait(false);
                return true;
            default:
                await servers.AcceptAsync([held], cancellationToken).ConfigureAwait(false);
                await KeepAsync(RotationPhase.Idle, new(RotationPhase.Idle, default, record?.Asked, RotatedAt: record?.RotatedAt, ProvenAt: record?.ProvenAt)).ConfigureAwait(false);
                return true;
        }

        Task BeginAsync(string password, string? asked) => KeepAsync(
            RotationPhase.Prepared,
            new(RotationPhase.Prepared, default, asked, new(role.Next(held.Username), password), held, record?.RotatedAt, record?.ProvenAt, planned.Step == RotationStep.Follow ? view.Authority!.Version : null));

        Task KeepAsync(RotationPhase phase, RotationRecord value) => WriteAsync(observed, engine, kept, role.Id, value with { Phase = phase, Since = Now }, cancellationToken);

        async Task VerifyAsync(RotationPhase? back)
        {
            var answers = await servers.LogInAsync(record!.Next!, cancellationToken).ConfigureAwait(false);
            if (Servers.Accepted(answers))
                return;
            if (back is { } phase && answers.Any(answer => answer.Answer == LoginAnswer.Refused))
                await KeepAsync(phase, record).ConfigureAwait(false);
            throw new RotationException("RotationFailed", $"{Servers.Names(answers, LoginAnswer.Accepted)}: the new password is not accepted everywhere; nothing was taken from applications");
        }
    }

    // Whole seconds: what a status shows.
    private DateTimeOffset Now => DateTimeOffset.FromUnixTimeSeconds(clock.GetUtcNow().ToUnixTimeSeconds());

    private async Task<StackObservation> ReadAsync(StackObservation observed, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        foreach (var name in names)
            secrets.Forget(observed.Stack.Metadata.Namespace, name);
        var read = await secrets.ReadAsync(observed.Stack, names, isNew: false, cancellationToken).ConfigureAwait(false);
        return observed with { Credentials = observed.Credentials.Where(pair => !read.ContainsKey(pair.Key)).Concat(read).ToDictionary(StringComparer.Ordinal) };
    }

    private Task FlipAsync(ComplianceStack stack, RotationView view, Login next, CancellationToken cancellationToken) =>
        PatchAsync(stack, view.Role.SecretName, view.Secret!.Meta.ResourceVersion, CredentialStore.Fields(Place(view.Engine, view.Role).Request, view.Role, next, view.Secret.Fields), cancellationToken);

    private static VaultPlace Place(BoundEngine engine, RotatingRole role) =>
        new(engine.Engine.Name, engine.Cluster.Credentials().First(request => request.SecretName == role.SecretName));

    private async Task WriteAsync(StackObservation observed, BoundEngine engine, string name, string key, RotationRecord record, CancellationToken cancellationToken)
    {
        var stack = observed.Stack;
        var text = new Dictionary<string, string>(StringComparer.Ordinal) { [key] = record.Write() };
        if (observed.Credentials.GetValueOrDefault(name) is SecretReading.Found found)
        {
            await PatchAsync(stack, name, found.Meta.ResourceVersion, text, cancellationToken).ConfigureAwait(false);
            return;
        }

        var meta = new EngineNames(StackPlanner.Context(stack, observed.Images, observed.Capabilities), engine.Engine.Name).Meta(name);
        var secret = new Secret(
            stack.Spec.DeletionPolicy == DeletionPolicy.Delete ? meta : meta with { OwnerReferences = null },
            text.ToDictionary(field => field.Key, field => Base64(field.Value)),
            Type: "Opaque");
        secrets.Remember(stack, await client.CreateAsync(KubeTypes.Secrets, secret, cancellationToken).ConfigureAwait(false));
    }

    private async Task PatchAsync(ComplianceStack stack, string name, string? version, IReadOnlyDictionary<string, string> fields, CancellationToken cancellationToken)
    {
        var patch = KubePatch.Merge(new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = version },
            ["data"] = new JsonObject(fields.Select(field => KeyValuePair.Create(field.Key, (JsonNode?)JsonValue.Create(Base64(field.Value))))),
        });
        // Whatever the answer is, what was read before is no longer true.
        secrets.Forget(stack.Metadata.Namespace, name);
        secrets.Remember(stack, await client.PatchAsync(KubeTypes.Secrets, stack.Metadata.Namespace, name, patch, cancellationToken).ConfigureAwait(false));
    }

    private static string Base64(string value) => Convert.ToBase64String(Encoding.UTF8.GetBytes(value));
}
