using Dora.Api;

namespace Dora.Engines.Rendering;

/// <summary>
/// What a stack version puts into pod templates: the only place that knows one version from another. What a released version
/// renders is kept in the tests and never changes; an improvement becomes a field here, which older versions do not have.
/// </summary>
/// <param name="VersionLabel">Pods carry <c>app.kubernetes.io/version</c>, the version of their server.</param>
/// <param name="DefaultContainer">Pods name the container that <c>kubectl logs</c> and <c>exec</c> mean unless told otherwise.</param>
/// <param name="ReadsPasswords">Servers that log in to PostgreSQL read names and passwords from files, and again when these change.</param>
/// <param name="Encrypted">Servers speak TLS, and nothing else.</param>
/// <param name="AsksEverySentinel">A Redis master that is back takes no writes while a Sentinel that has not heard from it may be failing over from it.</param>
/// <param name="KeepsFollowers">A Redis cluster's member that lost its volume stays away while replicas would empty themselves to follow it.</param>
/// <param name="NamedAdministrators">What runs in pods of MongoDB and InfluxDB logs in by the names that the Secret says: two users may take turns.</param>
internal sealed record StackRelease(bool VersionLabel, bool DefaultContainer, bool ReadsPasswords, bool Encrypted, bool AsksEverySentinel, bool KeepsFollowers, bool NamedAdministrators)
{
    private static readonly StackRelease First = new(VersionLabel: false, DefaultContainer: false, ReadsPasswords: false, Encrypted: false, AsksEverySentinel: false, KeepsFollowers: false, NamedAdministrators: false);

    /// <summary>The release of a stack version. A version that is not known is never rendered: the planner refuses it.</summary>
    public static StackRelease Of(string stackVersion) => stackVersion switch
    {
        StackVersions.V202611 => First,
        _ => new(VersionLabel: true, DefaultContainer: true, ReadsPasswords: true, Encrypted: true, AsksEverySentinel: true, KeepsFollowers: true, NamedAdministrators: true),
    };
}
