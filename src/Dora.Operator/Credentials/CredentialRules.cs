using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Credentials;

/// <summary>When passwords may be generated, and when that would lock the data away.</summary>
public static class CredentialRules
{
    /// <summary>What stands against going on with the credentials of an engine.</summary>
    public static IEnumerable<Violation> Check(BoundEngine engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(observed);
        foreach (var request in engine.Cluster.Credentials())
        {
            switch (observed.Credentials.GetValueOrDefault(request.SecretName))
            {
                case SecretReading.Unreadable unreadable:
                    yield return new($"secrets/{request.SecretName}", $"cannot be read: {unreadable.Reason}", "give the operator the right to get it; nothing is generated meanwhile", "CredentialUnreadable");
                    break;
                case null or SecretReading.Missing or SecretReading.Unknown when observed.Vault.ContainsKey(request.SecretName):
                    if (VaultRules.WhyNotMade(request, engine.Observed.Initialized, observed) is { } why)
                        yield return why;
                    break;
                case SecretReading.Missing when engine.Observed.Initialized && !request.Renewable:
                    yield return new($"secrets/{request.SecretName}", "is gone, but the volumes hold data that it opens", "restore the Secret from a backup; new passwords would not fit the data", "CredentialMissing");
                    break;
                case SecretReading.Found found when request.Fields.FirstOrDefault(field => !field.Issued && !Follows(field) && string.IsNullOrEmpty(found.Fields.GetValueOrDefault(field.Key))) is { } field:
                    yield return new($"secrets/{request.SecretName}", $"key '{field.Key}' is missing or empty", "restore the key; it is never rewritten by the operator", "CredentialMissing");
                    break;
            }
        }
    }

    /// <summary>What to do about the credentials of an engine, before anything that uses them.</summary>
    public static IEnumerable<PlanStep> Steps(BoundEngine engine, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(engine);
        ArgumentNullException.ThrowIfNull(observed);
        var name = engine.Engine.Name;
        var owned = observed.Stack.Spec.DeletionPolicy == DeletionPolicy.Delete;
        foreach (var request in engine.Cluster.Credentials())
        {
            if (observed.Credentials.GetValueOrDefault(request.SecretName) is null or SecretReading.Missing or SecretReading.Unknown)
                yield return new PlanStep.CreateCredential(name, request, owned) { Roles = [.. engine.Cluster.Rotating.Where(role => role.SecretName == request.SecretName)] };
            else if (observed.Credentials[request.SecretName] is SecretReading.Found found)
            {
                if (found.Owned != owned)
                    yield return new PlanStep.SetOwner(KubeTypes.Secrets.Resource, request.SecretName, owned);
                if (Lacking(request, found.Fields).Any())
                    yield return new PlanStep.CompleteCredential(name, request);
                if (observed.Vault.GetValueOrDefault(request.SecretName) is VaultReading.Absent)
                    yield return new PlanStep.AdoptCredential(name, request);
            }
        }
    }

    /// <summary>Keys that a Secret lacks and that follow from those it has; none while one of these is missing.</summary>
    public static IEnumerable<string> Lacking(CredentialRequest request, IReadOnlyDictionary<string, string> held)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(held);
        return request.Fields.All(field => field.Issued || Follows(field) || Holds(held, field))
            ? request.Fields.Where(field => Follows(field) && !Holds(held, field)).Select(field => field.Key)
            : [];
    }

    private static bool Holds(IReadOnlyDictionary<string, string> held, CredentialField field) => !string.IsNullOrEmpty(held.GetValueOrDefault(field.Key));

    // The name of a Secret's only user is as much of the login as the password: which of two it was nobody can tell.
    private static bool Follows(CredentialField field) => field is { Value: not null, Key: not CredentialRequest.Username };
}
