using Dora.Api;
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
                case SecretReading.Found found when request.Fields.FirstOrDefault(field => !field.Issued && string.IsNullOrEmpty(found.Fields.GetValueOrDefault(field.Key))) is { } field:
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
                yield return new PlanStep.CreateCredential(name, request, owned) { Role = engine.Cluster.Rotating.FirstOrDefault(role => role.Id == request.SecretName) };
            else if (observed.Credentials[request.SecretName] is SecretReading.Found found)
            {
                if (found.Owned != owned)
                    yield return new PlanStep.SetOwner(KubeTypes.Secrets.Resource, request.SecretName, owned);
                if (observed.Vault.GetValueOrDefault(request.SecretName) is VaultReading.Absent)
                    yield return new PlanStep.AdoptCredential(name, request);
            }
        }
    }
}
