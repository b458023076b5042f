using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials.Rotation;

/// <summary>A step that was not taken.</summary>
/// <param name="SecretName">Whose change it belongs to.</param>
/// <param name="Reason">CamelCase.</param>
/// <param name="Message">For people; holds no password.</param>
internal sealed record RotationFailure(string SecretName, string Reason, string Message);

/// <summary>What the status says of the change of passwords. Pure; it moves only with a phase.</summary>
internal static class RotationReport
{
    /// <summary>One entry for each password; null for a stack that nobody asked to change any.</summary>
    public static IReadOnlyList<RotationStatus>? Entries(StackObservation observed, StackPlan plan)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        if (!Reported(observed, plan))
            return null;
        var wish = RotationWish.Of(observed.Stack);
        // What is not known now is as it was last known.
        var before = (observed.Stack.Status?.Rotations ?? []).ToDictionary(status => status.SecretName, StringComparer.Ordinal);
        List<RotationStatus> entries =
        [
            .. plan.Engines.SelectMany(engine => RotationPlan.Views(engine, observed)).Select(view => view.Known && !view.Lost ? Entry(view, wish) : before.GetValueOrDefault(view.Role.Id) ?? Entry(view, wish)),
            .. plan.Engines.SelectMany(engine => engine.Cluster.VaultLogins.Select(login => new RotationStatus(login.Secret.SecretName, engine.Engine.Name, RotationPhase.Static, Message: "Vault's database engine changes it"))),
            .. plan.Engines.SelectMany(engine => engine.Cluster.Static.Select(role => new RotationStatus(role.Id, engine.Engine.Name, RotationPhase.Static, Message: role.Reason))),
        ];
        return [.. entries.Take(RotationStatus.MostRotations)];
    }

    /// <summary>Condition CredentialsRotated; null for a stack that nobody asked to change any.</summary>
    public static Condition? Condition(StackObservation observed, StackPlan plan, ExecutionReport report)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(report);
        if (!Reported(observed, plan) && report.RotationFailures.Count == 0)
            return null;
        var wish = RotationWish.Of(observed.Stack);
        var problems = report.RotationFailures.Select(failure => (failure.Reason, failure.Message))
            .Concat(plan.Engines.SelectMany(engine => Overdue(engine, plan, wish, observed)))
            .Concat(plan.Engines.SelectMany(engine => Aged(engine, wish, observed)))
            .ToList();
        string[] order = ["OldCredentialAccepted", "RotationFailed", "VaultSealed", "VaultForbidden", "VaultUnreachable", "Overdue", "WaitsForWindow", "StaticAdminInUse"];
        foreach (var reason in order)
        {
            var messages = problems.Where(problem => problem.Reason == reason).Select(problem => problem.Message).ToList();
            if (messages.Count > 0)
                return new(ConditionTypes.CredentialsRotated, Conditions.False, reason, StackStatus.Cut(string.Join(" | ", messages)));
        }

        return new(ConditionTypes.CredentialsRotated, Conditions.True, "Current", wish.Interval is null ? "passwords change on demand" : "no password is older than spec.credentials.rotation.interval");
    }

    // Also once a password that somebody wrote to Vault was followed: the status tells a process that begins that there is a record.
    private static bool Reported(StackObservation observed, StackPlan plan) =>
        RotationPlan.Asked(observed.Stack) || plan.Engines.SelectMany(engine => RotationPlan.Views(engine, observed)).Any(view => view.Record is not null);

    private static RotationStatus Entry(RotationView view, RotationWish wish) => new(
        view.Role.Id,
        view.Engine.Engine.Name,
        view.Phase,
        view.Record?.Since,
        view.Record?.RotatedAt,
        RotationRules.DueAt(view.Record, view.Created, wish),
        view.Record?.ProvenAt);

    // One that takes its step now, or waits for another one of its engine that does, is on its way.
    private static IEnumerable<(string Reason, string Message)> Overdue(BoundEngine engine, StackPlan plan, RotationWish wish, StackObservation observed)
    {
        if (plan.Rotations.Any(planned => planned.Engine.Engine.Name == engine.Engine.Name))
            yield break;
        foreach (var view in RotationPlan.Views(engine, observed).Where(view => view.Secret is not null))
        {
            if (RotationRules.IsDue(view.Record, view.Created, wish, observed.Now))
                yield return ("Overdue", $"{view.Role.Id} is due, and waits until {(view.Authority is { Login: null } ? "Vault says what it holds of it" : $"{engine.Engine.Name} serves as asked")}");
            else if (view.Record is not { Open: true } && RotationRules.IsOld(view.Record, view.Created, wish, observed.Now))
                yield return ("WaitsForWindow", string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{view.Role.Id} is due, and waits for the window that opens at {wish.Maintenance?.NextOpening(observed.Now):u}"));
        }
    }

    private static IEnumerable<(string Reason, string Message)> Aged(BoundEngine engine, RotationWish wish, StackObservation observed) => engine.Cluster.Static
        .Where(role => wish.Interval is { } interval && observed.Credentials.GetValueOrDefault(role.SecretName) is SecretReading.Found { Meta.CreationTimestamp: { } created } && created + interval <= observed.Now)
        .Select(role => ("StaticAdminInUse", $"{role.Id} is older than the interval: {role.Reason}"));
}
