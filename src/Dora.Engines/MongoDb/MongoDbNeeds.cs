using Dora.Engines.Rendering;

namespace Dora.Engines.MongoDb;

/// <summary>Names of what is missing, each <c>Command/subject</c>.</summary>
internal static class MongoDbNeeds
{
    public const string AddMember = "AddMember";
    public const string RemoveMember = "RemoveMember";
    public const string SetDefaultWriteConcern = "SetDefaultWriteConcern";
    public const string SetAdministrator = "SetAdministrator";
    public const string SetCompatibility = "SetFeatureCompatibilityVersion";

    /// <summary>What the set needs, in the order in which it is to be done; pure.</summary>
    public static List<string> Of(MongoDbPlan plan, IReadOnlyList<MongoDbAnswer> answers, IReadOnlyList<MemberHealth> members, MongoDbFindings findings)
    {
        var needs = new List<string>();
        if (findings.WriteConcern != plan.WriteConcern)
            needs.Add($"{SetDefaultWriteConcern}/{plan.WriteConcern}");
        if (findings.Committed)
            needs.AddRange(Membership(plan, answers, members, findings));
        if (findings.Compatibility is { } compatibility && compatibility != plan.Version && AllRun(plan, answers, members))
            needs.Add($"{SetCompatibility}/{plan.Version}");
        needs.AddRange(findings.Needs);
        return needs;
    }

    /// <summary>What the first of them means for a person, or null when nothing is missing.</summary>
    public static string? Describe(IReadOnlyList<string> needs)
    {
        if (needs.FirstOrDefault(need => !need.StartsWith(MongoDbScaleIn.PodMayGo, StringComparison.Ordinal)) is not { } need)
            return null;
        var slash = need.IndexOf('/', StringComparison.Ordinal);
        var (name, subject) = (need[..slash], need[(slash + 1)..]);
        return name switch
        {
            AddMember => $"{subject}: joins the replica set",
            RemoveMember => $"{subject}: leaves the replica set",
            SetDefaultWriteConcern => $"the default write concern becomes {subject}",
            SetAdministrator => $"the servers do not know the administrator {subject} of the Secret yet",
            SetCompatibility => $"the feature compatibility version becomes {subject}",
            _ => $"not as declared yet: {subject} ({name})",
        };
    }

    private static IEnumerable<string> Membership(MongoDbPlan plan, IReadOnlyList<MongoDbAnswer> answers, IReadOnlyList<MemberHealth> members, MongoDbFindings findings)
    {
        var wanted = plan.WantedPods.ToList();
        // New members come before old ones go: the set never has fewer voters than it was, or shall be.
        var missing = wanted.Where(pod => !findings.Pods.Contains(pod)).ToList();
        if (missing.FirstOrDefault(pod => answers.Any(answer => answer.Member.Name == pod && answer.Hello is not null)) is { } joining && Serve(members, wanted.Except(missing)))
            yield return $"{AddMember}/{joining}";
        var leaving = findings.Pods.Except(wanted).OrderByDescending(pod => ScaleIn.Ordinal(pod) ?? 0).ThenBy(pod => pod, StringComparer.Ordinal).FirstOrDefault();
        if (missing.Count == 0 && leaving is not null && Serve(members, wanted))
            yield return $"{RemoveMember}/{leaving}";
        foreach (var answer in answers.Where(answer => !wanted.Contains(answer.Member.Name) && !findings.Pods.Contains(answer.Member.Name)))
            yield return $"{MongoDbScaleIn.PodMayGo}/{answer.Member.Name}";
    }

    private static bool Serve(IReadOnlyList<MemberHealth> members, IEnumerable<string> pods) =>
        pods.All(pod => members.Any(member => member.Pod == pod && member.Serving));

    // The data cannot go back to the older version afterwards: every member must have shown that it runs on the new one.
    private static bool AllRun(MongoDbPlan plan, IReadOnlyList<MongoDbAnswer> answers, IReadOnlyList<MemberHealth> members) =>
        Serve(members, plan.WantedPods) && answers.All(answer => answer.Hello is { ArbiterOnly: true } arbiter ? arbiter.MaxWireVersion >= plan.WireVersion : answer.Version?.StartsWith(plan.Version + ".", StringComparison.Ordinal) == true);
}
