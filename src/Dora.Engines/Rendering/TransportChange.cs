using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>
/// The change between plain and encrypted connections, where members of both kinds cannot replicate, nor vote, with each other: they
/// restart all at once, and only when somebody said that they may.
/// </summary>
internal static class TransportChange
{
    /// <summary>What stands against it; the caller knows whether there is more than one member.</summary>
    /// <param name="names">Whose members.</param>
    /// <param name="what">What they are, for people: <c>members of a replica set</c>.</param>
    /// <param name="observed">What runs.</param>
    public static IEnumerable<Violation> Check(EngineNames names, string what, EngineObservation observed)
    {
        if (observed.Workload is not { } workload || workload.Metadata.Annotation(Labels.Encrypted) == "true" == names.Encrypted)
            yield break;
        const string path = "spec.stackVersion";
        if (!names.Encrypted)
            yield return new(path, $"{what} speak TLS only, and {names.Stack.StackVersion} has none", "stay with the newer version", "EncryptedAlready");
        else if (!names.Stack.RestartTogether.Contains(names.Engine))
            yield return new(
                path,
                $"{what} cannot change from plain to encrypted connections one by one",
                $"annotate the stack with {Labels.RestartTogether}={names.Engine}: they then restart all at once, and serve nobody for about a minute; or go back to the version before",
                "RestartTogetherNeeded");
    }
}
