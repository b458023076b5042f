namespace Dora.Engines.InfluxDb.V2;

/// <summary>Asks every 2.x server how it is and what it holds.</summary>
internal static class V2Probe
{
    /// <summary>A second server further behind than this does not count as following (bytes of compressed points in the queue).</summary>
    public const long LagLimit = 64 << 20;

    public static V2Client Admin(InfluxDbPlan plan, EngineTarget target, MemberPod member) =>
        Client(plan, target, member, target.Credential(plan.Names.InternalSecret, InfluxDbCredentials.AdminToken));

    public static async Task<EngineHealth> RunAsync(InfluxDbPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        using var patience = InfluxHttp.Patience(cancellationToken);
        var answers = await Task.WhenAll(target.Members.Select(member => AskAsync(plan, target, member, patience.Token))).ConfigureAwait(false);
        var refused = new HashSet<string>(StringComparer.Ordinal);
        if (answers.FirstOrDefault(answer => answer.Member.Ordinal == 0) is { State: { } state } first)
            refused = await RefusedAsync(plan, target, first.Member, state, patience.Token).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return Judge(plan, answers, refused);
    }

    /// <summary>From what the servers hold to a verdict; pure.</summary>
    /// <param name="plan">What is wanted.</param>
    /// <param name="answers">Each server and what it holds.</param>
    /// <param name="refused">Users whose Secret holds no token, or one that the first server refuses.</param>
    public static EngineHealth Judge(InfluxDbPlan plan, IReadOnlyList<V2Answer> answers, IReadOnlySet<string> refused)
    {
        var first = answers.FirstOrDefault(answer => answer.Member.Ordinal == 0);
        var second = answers.FirstOrDefault(answer => answer.Member.Ordinal == 1);
        var members = answers.Select(answer => Judge(plan, answer, first?.State)).ToList();
        var version = answers.Select(answer => answer.State?.Version).FirstOrDefault(value => value is not null);
        if (first?.State is not { } state)
        {
            var silent = answers.All(answer => answer is { State: null, Reached: false });
            var why = first is null ? "the first server does not exist" : $"{first.Member.Name}: {first.Problem}";
            return new(silent ? EngineVerdict.Unreachable : EngineVerdict.Degraded, members, null, version, why, []);
        }

        List<string> needs = [.. Needs(plan, first.Member.Name, state), .. plan.Users.SelectMany(user => Needs(user, state, refused))];
        needs.AddRange(plan.Downsampling.Where(wanted => state.Bucket(wanted.Source) is not null && state.Bucket(wanted.Target) is not null && !Holds(plan, wanted, state)).Select(wanted => InfluxDbNeeds.Of(InfluxDbNeeds.SetTask, wanted.Name)));
        needs.AddRange(Undeclared(plan, state));
        if (plan.Instances == 1 && state.Remote is not null)
            needs.Add(InfluxDbNeeds.Of(InfluxDbNeeds.RemoveReplication, first.Member.Name));
        if (plan.Instances > 1 && second?.State is { } other)
            needs.AddRange(V2Streams.Needs(plan, state, second.Member.Name, other));
        var problem = members.FirstOrDefault(member => !member.Serving) is { } idle ? $"{idle.Pod}: {idle.Detail}"
            : members.Count < plan.Instances ? $"{members.Count} of {plan.Instances} servers exist"
            : needs.Count > 0 ? $"not yet as declared: {InfluxDbNeeds.Describe(needs)}"
            : null;
        return new(problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, first.Member.Name, version, problem ?? "", needs);
    }

    // What the operator made for somebody or something that is not declared any more.
    private static IEnumerable<string> Undeclared(InfluxDbPlan plan, V2State state)
    {
        foreach (var task in state.Tasks.Where(task => task.Flux.StartsWith(FluxTask.Mark, StringComparison.Ordinal) && !plan.Downsampling.Any(wanted => wanted.Name == task.Name)))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.RemoveTask, task.Name ?? "", task.Id ?? "");
        var idle = state.Authorizations.Select(authorization => authorization.Description ?? "")
            .Where(description => description.StartsWith(V2State.Mark, StringComparison.Ordinal))
            .Select(description => description[V2State.Mark.Length..])
            .Where(user => !plan.Users.Any(wanted => wanted.Name == user && wanted.Read.Count + wanted.Write.Count > 0));
        foreach (var user in idle.Distinct(StringComparer.Ordinal))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.RevokeToken, user);
    }

    /// <summary>Buckets that a server lacks, or that keep points for another time.</summary>
    public static IEnumerable<string> Needs(InfluxDbPlan plan, string pod, V2State state)
    {
        foreach (var wanted in plan.Databases)
        {
            if (state.Bucket(wanted.Name) is not { } bucket)
                yield return InfluxDbNeeds.Of(InfluxDbNeeds.CreateBucket, pod, wanted.Name);
            else if (!Holds(wanted.Policies[0], bucket))
                yield return InfluxDbNeeds.Of(InfluxDbNeeds.UpdateBucket, pod, wanted.Name);
        }
    }

    private static IEnumerable<string> Needs(UserPlan wanted, V2State state, IReadOnlySet<string> refused)
    {
        // Rights name buckets by their ID: what is missing comes first.
        if (state.Permissions(wanted.Read, wanted.Write) is not { Count: > 0 } permissions)
            yield break;
        if (refused.Contains(wanted.Name) || state.Right(wanted.Name, permissions) is null)
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.IssueToken, wanted.Name);
    }

    private static bool Holds(PolicyPlan wanted, V2Bucket bucket)
    {
        var rule = bucket.RetentionRules is [var only, ..] ? only : null;
        return (rule?.EverySeconds ?? 0) == wanted.Retention && (rule is null or { ShardGroupDurationSeconds: 0 } || rule.ShardGroupDurationSeconds == wanted.Shard);
    }

    private static bool Holds(InfluxDbPlan plan, DownsamplingPlan wanted, V2State state) =>
        state.Tasks.Where(task => task.Name == wanted.Name).ToArray() is [{ Status: "active" } task] && task.Flux.Trim() == FluxTask.Text(wanted, plan.Organization).Trim();

    private static MemberHealth Judge(InfluxDbPlan plan, V2Answer answer, V2State? first)
    {
        if (answer.State is not { } state)
            return new(answer.Member.Name, MemberRole.Unknown, false, Detail: answer.Problem);
        if (answer.Member.Ordinal == 0)
            return new(answer.Member.Name, MemberRole.Primary, true);
        // On its way out: nothing is asked of it any more.
        if (answer.Member.Ordinal >= plan.Instances)
            return new(answer.Member.Name, MemberRole.Replica, true);
        var (lag, detail) = first is null ? (null, "is fed by nobody: the first server does not answer") : V2Streams.Lag(plan, first, state);
        return new(answer.Member.Name, MemberRole.Replica, detail is null, lag, Detail: detail);
    }

    private static async Task<V2Answer> AskAsync(InfluxDbPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            return new(member, await V2State.ReadAsync(Admin(plan, target, member), plan.Organization, cancellationToken).ConfigureAwait(false), null, true);
        }
        catch (Exception thrown) when (InfluxHttp.Finding(thrown, CancellationToken.None) is { } exception)
        {
            return new(member, null, exception.Finding, exception.Fault is not (InfluxFault.Unreachable or InfluxFault.TimedOut));
        }
    }

    // Later versions keep only a hash of a token: it can only be compared by using it.
    private static async Task<HashSet<string>> RefusedAsync(InfluxDbPlan plan, EngineTarget target, MemberPod member, V2State state, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(plan.Users.Where(user => state.Issued(user.Name).Any()).Select(async user =>
            await IsRefusedAsync(plan, target, member, user, cancellationToken).ConfigureAwait(false) ? user.Name : null)).ConfigureAwait(false);
        return answers.OfType<string>().ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Whether a user's Secret holds no token, or one that the server refuses. A server that does not answer says nothing about it.</summary>
    public static async Task<bool> IsRefusedAsync(InfluxDbPlan plan, EngineTarget target, MemberPod member, UserPlan user, CancellationToken cancellationToken)
    {
        var token = target.Secrets.GetValueOrDefault(user.Secret)?.GetValueOrDefault(InfluxDbCredentials.Token);
        if (string.IsNullOrEmpty(token))
            return true;
        try
        {
            await Client(plan, target, member, token).AuthenticateAsync(cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (Exception thrown) when (InfluxHttp.Finding(thrown, CancellationToken.None) is { } exception)
        {
            return exception.Fault == InfluxFault.Unauthorized;
        }
    }

    private static V2Client Client(InfluxDbPlan plan, EngineTarget target, MemberPod member, string token) => new(InfluxHttp.To(plan, target, member, InfluxHttp.Token(token)));
}

/// <summary>One server and what it holds.</summary>
/// <param name="Member">The pod.</param>
/// <param name="State">What it holds, or null.</param>
/// <param name="Problem">Why that is not known.</param>
/// <param name="Reached">Whether it answered at all.</param>
internal sealed record V2Answer(MemberPod Member, V2State? State, string? Problem, bool Reached);
