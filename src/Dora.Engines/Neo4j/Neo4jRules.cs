using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Neo4j;

/// <summary>What of the settings cannot be done, beside declared objects (<see cref="Neo4jDeclarationRules"/>).</summary>
internal static partial class Neo4jRules
{
    public const string Path = "spec.engines.neo4j";

    public static IReadOnlyList<Violation> Check(Neo4jPlan plan, EngineObservation observed) =>
    [
        .. Edition(plan),
        .. Members(plan),
        .. Change(plan, observed),
        .. Neo4jTls.Change(plan, observed),
        .. SettingsRules.Storage($"{Path}.storage", plan.Storage, observed),
        .. Memory(plan),
        .. PodRules.Check($"{Path}.pods", plan.Pods.Own),
        .. Parameters(plan),
        .. Neo4jDeclarationRules.Check(plan),
    ];

    private static IEnumerable<Violation> Edition(Neo4jPlan plan)
    {
        if (plan is { Edition: Neo4jEdition.Enterprise, License: null })
            yield return new($"{Path}.license", "the Enterprise Edition runs only under a licence that was accepted", "set license to Commercial or Evaluation, or edition to Community");
        if (plan is { Edition: Neo4jEdition.Community, Roles.Count: > 0 })
            yield return new($"{Path}.roles", "the Community Edition has no roles: each user may do everything", "remove roles, or choose edition Enterprise");
        if (plan is { Edition: Neo4jEdition.Community, Ldap: not null })
            yield return new($"{Path}.ldap", "the Community Edition has no LDAP", "remove ldap, or choose edition Enterprise");
    }

    private static IEnumerable<Violation> Members(Neo4jPlan plan)
    {
        if (plan.Edition == Neo4jEdition.Community && plan.Primaries != 1)
            yield return new($"{Path}.instances", $"the Community Edition runs one server, not {plan.Primaries}", "set instances to 1, or edition to Enterprise with a license");
        else if (plan.Primaries is < 1 or > 9 || plan.Primaries % 2 == 0)
            yield return new($"{Path}.instances", $"{plan.Primaries} primaries cannot elect by majority", "choose 1, 3, 5, 7 or 9");
        if (plan.Secondaries is < 0 or > 16)
            yield return new($"{Path}.secondaries", $"{plan.Secondaries} secondaries are not possible", "choose 0 to 16");
        else if (plan.Secondaries > 0 && !plan.Clustered)
            yield return new($"{Path}.secondaries", "secondaries follow a cluster, and this is a single server", "set instances to 3 or more with edition Enterprise, or secondaries to 0");
    }

    private static IEnumerable<Violation> Change(Neo4jPlan plan, EngineObservation observed)
    {
        if (observed.Workload is not { } workload)
            yield break;
        var meta = workload.Metadata;
        if (meta.Annotation(Neo4jStatefulSet.EditionAnnotation) is { } edition && edition != plan.Edition.ToString())
        {
            yield return new($"{Path}.edition", $"the servers run the {edition} Edition", "create a new stack and restore into it; state edition if a license was only added", "ImmutableField");
            yield break;
        }

        var before = int.TryParse(meta.Annotation(Neo4jStatefulSet.PrimariesAnnotation), System.Globalization.CultureInfo.InvariantCulture, out var primaries) ? primaries : plan.Primaries;
        if (before != plan.Primaries && (before == 1 || plan.Primaries == 1))
            yield return new($"{Path}.instances", before == 1 ? "a single server cannot become a cluster in place" : "a cluster cannot become a single server in place", "create a new stack and restore into it", "ImmutableField");
        else if (before != plan.Primaries && (plan.Secondaries > 0 || workload.Spec?.Replicas != before))
            yield return new($"{Path}.instances", "members are primaries or secondaries by their number, and none can change sides", $"set instances to {before} and secondaries to 0, wait until {before} members are left, then change instances");
        if (observed.Status?.Version is { } running && Number(running) > Number(plan.Version))
            yield return new($"{Path}.version", $"Neo4j {running} has written the data", "older versions cannot read it; create a new stack and restore a backup of the older version", "ImmutableField");
    }

    private static IEnumerable<Violation> Memory(Neo4jPlan plan)
    {
        var malformed = SettingsRules.Resources($"{Path}.resources", plan.Resources).ToList();
        if (malformed.Count > 0)
            return malformed;
        if (plan.Memory.Limit < Neo4jMemory.Least)
            return [new($"{Path}.resources.memory", $"{plan.Resources.Memory} is less than Neo4j needs", $"choose at least {Neo4jMemory.Least / 1024}Gi")];
        return plan.Memory.Rest < Neo4jMemory.Reserve || plan.Memory.Heap < 256 || plan.Memory.PageCache < 64
            ? [new($"{Path}.memory", $"a heap of {plan.Memory.Heap}Mi and a page cache of {plan.Memory.PageCache}Mi do not fit into {plan.Resources.Memory}", "leave 1Gi beside both, with at least 256Mi of heap and 64Mi of page cache; or raise resources.memory")]
            : [];
    }

    // Everything outside db.* decides where files, ports, members or rights are: the operator's work.
    private static IEnumerable<Violation> Parameters(Neo4jPlan plan)
    {
        foreach (var (name, value) in plan.Parameters.OrderBy(parameter => parameter.Key, StringComparer.Ordinal))
        {
            if (!ParameterName().IsMatch(name))
                yield return new($"{Path}.parameters.{name}", "is a setting that the operator owns, or none", "only settings that start with 'db.' may be given, e.g. db.transaction.timeout", "ParameterRefused");
            else if (value.Length is 0 or > 256 || value.Any(char.IsControl))
                yield return new($"{Path}.parameters.{name}", "has a value that does not fit on one line", "write 1 to 256 printable characters", "ParameterRefused");
        }
    }

    private static Version Number(string version) => System.Version.TryParse(string.Join('.', version.Split('.', '-')[..2]), out var number) ? number : new();

    [GeneratedRegex(@"^db(\.[a-z0-9_]+)+$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex ParameterName();
}
