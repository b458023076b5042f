using Dora.Api;
using Dora.Engines;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>One step of the change of one password, to be taken after what else a pass does.</summary>
/// <param name="Engine">The engine whose servers check it.</param>
/// <param name="Role">Whose password.</param>
/// <param name="Step">What to do.</param>
internal sealed record PlannedRotation(BoundEngine Engine, RotatingRole Role, RotationStep Step);

/// <summary>One password and what is known of its change.</summary>
/// <param name="Engine">The engine.</param>
/// <param name="Role">Whose password.</param>
/// <param name="Secret">What applications hold, and when it was made; null: not known.</param>
/// <param name="Record">What is kept; null: nothing.</param>
/// <param name="Lost">A change was under way, and its record is gone.</param>
/// <param name="Known">Whether it is known what is kept.</param>
/// <param name="Vault">What Vault says; null without Vault.</param>
internal sealed record RotationView(BoundEngine Engine, RotatingRole Role, SecretReading.Found? Secret, RotationRecord? Record, bool Lost, bool Known, VaultReading? Vault)
{
    /// <summary>What Vault wants; null without Vault.</summary>
    public VaultWord? Authority => Vault is null ? null : Vault is VaultReading.Found found && found.Fields.GetValueOrDefault(Role.Key) is { } password ? new(new(VaultPlace.Username(found, Role), password), found.Version) : new(null);

    /// <summary>What applications hold; null: not known, or not whole.</summary>
    public Login? Held => Secret is null ? null : RotationPlan.LoginOf(Secret, Role);

    /// <summary>When the Secret was made.</summary>
    public DateTimeOffset? Created => Secret?.Meta.CreationTimestamp;

    /// <summary>How far it is, with what is seen and not kept: that the Secret was written.</summary>
    public RotationPhase Phase => Record is { Phase: RotationPhase.Verified or RotationPhase.Prepared } && Held == Record.Next ? RotationPhase.Flipped : Record?.Phase ?? RotationPhase.Idle;
}

/// <summary>Whose password takes its next step: of each engine one at a time. Pure.</summary>
internal static class RotationPlan
{
    /// <summary>Whether anybody asked for passwords of a stack to change; of others, what is kept is read only when Vault has another one.</summary>
    public static bool Asked(ComplianceStack stack) =>
        stack.Spec.Credentials?.Rotation is not null || stack.Status?.Rotations is { Count: > 0 } || RotationRecord.Mark(stack.Metadata.Annotation(Labels.RotateCredentials)) is not null;

    /// <summary>The steps of a pass.</summary>
    public static IReadOnlyList<PlannedRotation> Of(IEnumerable<BoundEngine> engines, StackObservation observed)
    {
        var wish = RotationWish.Of(observed.Stack);
        return [.. engines.SelectMany(engine => Steps(engine, wish, observed))];
    }

    /// <summary>All passwords of an engine that can change.</summary>
    public static IReadOnlyList<RotationView> Views(BoundEngine engine, StackObservation observed)
    {
        var reading = observed.Credentials.GetValueOrDefault(RotationRecord.SecretName(observed.Stack.Metadata.Name!, engine.Engine.Name));
        var records = (reading as SecretReading.Found)?.Fields;
        return [.. engine.Cluster.Rotating.Select(role =>
        {
            var record = RotationRecord.Read(records?.GetValueOrDefault(role.Id));
            var said = observed.Stack.Status?.Rotations?.FirstOrDefault(status => status.SecretName == role.Id)?.Phase;
            var lost = record is null && said is not (null or RotationPhase.Idle or RotationPhase.Proven or RotationPhase.Static);
            return new RotationView(engine, role, observed.Credentials.GetValueOrDefault(role.SecretName) as SecretReading.Found, record, lost, reading is SecretReading.Found or SecretReading.Missing, observed.Vault.GetValueOrDefault(role.SecretName));
        })];
    }

    /// <summary>Logins that servers of an engine shall accept, where that is not just the one in the Secret.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<Login>> Accepted(BoundEngine engine, StackObservation observed)
    {
        var views = Views(engine, observed).Where(view => view.Record is not null && view.Held is not null);
        return views.ToDictionary(view => view.Role.Id, Accepted, StringComparer.Ordinal);

        static IReadOnlyList<Login> Accepted(RotationView view) => view is { Role.TakenFromSecret: true, Record: { Open: true } record } ? [.. new[] { view.Held!, record.Next!, record.Old! }.Distinct()] : view.Record!.Accepted ?? [view.Held!];
    }

    /// <summary>The login that a Secret holds; null when it is not whole.</summary>
    public static Login? LoginOf(SecretReading.Found secret, RotatingRole role) =>
        secret.Fields.GetValueOrDefault(role.Key) is { Length: > 0 } password ? new(role.Known(secret.Fields.GetValueOrDefault(role.UsernameKey)), password) : null;

    /// <summary>Whether every member of an engine is there and serves as asked, and none is about to start anew.</summary>
    public static bool Serving(BoundEngine engine) =>
        engine.Observed is { Health: { Verdict: EngineVerdict.Healthy } health, Workload: not null } && engine.Observed.Rolling is not { Outdated.Count: > 0 }
        && health.Members.Count(member => member.Role != MemberRole.Arbiter) >= engine.Cluster.Instances;

    /// <summary>The next step of one password.</summary>
    public static RotationStep? Next(RotationView view, RotationWish wish, DateTimeOffset now) => view is { Known: true, Held: { } held }
        ? RotationRules.Next(view.Record, held, view.Lost, view.Created, wish with { Overlap = wish.Overlap > view.Role.LeastOverlap ? wish.Overlap : view.Role.LeastOverlap }, view.Authority, Serving(view.Engine), now, view.Role.TakenFromSecret)
        : null;

    // What was begun is ended first, and servers are told of one at a time: two would make one fault two. While both passwords of a
    // role are accepted nothing is at stake, and the next one need not wait for hours.
    private static IEnumerable<PlannedRotation> Steps(BoundEngine engine, RotationWish wish, StackObservation observed)
    {
        var busy = false;
        foreach (var view in Views(engine, observed).OrderByDescending(view => view.Lost || view.Record?.Open == true))
        {
            var overlaps = view.Record is { Phase: RotationPhase.Overlapping };
            if (!overlaps && busy)
                continue;
            var step = Next(view, wish, observed.Now);
            busy |= !overlaps && (step is not null || view is { Known: true, Held: not null, Record.Open: true });
            if (step is { } next)
                yield return new(engine, view.Role, next);
        }
    }
}
