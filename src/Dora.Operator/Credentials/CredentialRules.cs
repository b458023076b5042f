using Dora.Api;
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
                case SecretReading.Missing when engine.Observed.Initialized && !request.Renewable:
                    yield return new($"secrets/{request.SecretName}", "is gone, but the volumes hold data that it opens", "restore the Secret from a backup; new passwords would not fit the data", "CredentialMissing");
                    break;
                case SecretReading.Found found when request.Fields.FirstOrDefault(field => !field.Issued && string.IsNullOrEmpty(found.Fields.GetValueOrDefault(field.Key))) is { } field:
                    yield return new($"secrets/{request.SecretName}", $"key '{field.Key}' is missing or empty", "restore the key; it is never rewritten by the operator", "CredentialMissing");
                    break;
            }
        }
    }
}
