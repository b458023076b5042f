using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Asks every member how it is, and the primary how the set is.</summary>
internal static class MongoDbProbe
{
    /// <summary>A secondary further behind than this does not count as following (seconds). An idle primary writes every 10 s.</summary>
    public const double LagLimit = 30;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    public static async Task<EngineHealth> RunAsync(MongoDbPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        var answers = await Task.WhenAll(target.Members.Select(member => AskAsync(plan, target, member, either.Token))).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        var primary = Primary(answers);
        var findings = primary is { Problem: null } ? await FindAsync(plan, target, primary.Member.Name, cancellationToken).ConfigureAwait(false) : null;
        return Judge(plan, answers, findings);
    }

    /// <summary>From answers to a verdict; pure.</summary>
    public static EngineHealth Judge(MongoDbPlan plan, IReadOnlyList<MongoDbAnswer> answers, MongoDbFindings? findings)
    {
        var primary = Primary(answers);
        var members = answers.Select(answer => Judge(plan, answer, primary, findings)).ToList();
        var version = answers.Select(answer => answer.Version).OfType<string>().OrderBy(Comparable).FirstOrDefault();
        if (primary is null)
            return new(answers.Any(answer => answer.Hello is not null) ? EngineVerdict.Degraded : EngineVerdict.Unreachable, members, null, version, WithoutPrimary(answers), []);
        var needs = findings is null ? [] : MongoDbNeeds.Of(plan, answers, members, findings);
        var problem = Problem(plan, answers, members, findings) ?? MongoDbNeeds.Describe(needs);
        return new(problem is null ? EngineVerdict.Healthy : EngineVerdict.Degraded, members, primary.Member.Name, version, problem ?? "", needs);
    }

    /// <summary>
    /// The member that takes writes. Two may believe it for a moment: a primary that was cut off steps down only when it notices,
    /// so the later election counts.
    /// </summary>
    private static MongoDbAnswer? Primary(IReadOnlyList<MongoDbAnswer> answers) => answers
        .Where(answer => answer.Hello is { IsWritablePrimary: true })
        .OrderByDescending(answer => answer.Hello!.ElectionId ?? "", StringComparer.Ordinal)
        .FirstOrDefault();

    private static string WithoutPrimary(IReadOnlyList<MongoDbAnswer> answers)
    {
        if (answers.All(answer => answer.Hello is null))
            return answers.FirstOrDefault(answer => answer.Problem is not null) is { } first ? $"{first.Member.Name}: {first.Problem}" : "no member answers";
        return answers.All(answer => answer.Hello is null or { SetName: null })
            ? "the replica set is not initiated yet: its members must all be up, and the log of container bootstrap of member 0 says what it waits for"
            : "no member is primary: a majority of the voters must be up to elect one";
    }

    private static MemberHealth Judge(MongoDbPlan plan, MongoDbAnswer answer, MongoDbAnswer? primary, MongoDbFindings? findings)
    {
        var name = answer.Member.Name;
        if (answer.Hello is not { } hello)
            return new(name, MemberRole.Unknown, false, Detail: answer.Problem);
        var role = hello.ArbiterOnly ? MemberRole.Arbiter
            : answer == primary ? MemberRole.Primary
            : hello.Secondary || hello.IsWritablePrimary ? MemberRole.Replica
            : name == plan.ArbiterPod ? MemberRole.Arbiter
            : MemberRole.Unknown;
        var lag = role == MemberRole.Replica ? findings?.LagOf(name) : role == MemberRole.Primary ? 0 : (double?)null;
        var detail = answer.Problem ?? Detail(answer, role, primary, findings, lag);
        return new(name, role, detail is null, Connections: answer.Connections, Detail: detail, LagSeconds: lag) { Volume = answer.Volume };
    }

    private static string? Detail(MongoDbAnswer answer, MemberRole role, MongoDbAnswer? primary, MongoDbFindings? findings, double? lag)
    {
        var hello = answer.Hello!;
        if (hello.IsWritablePrimary && answer != primary)
            return "believes to be primary, and another member was elected later";
        if (findings is not null && !findings.Pods.Contains(answer.Member.Name))
            return "is no member of the replica set";
        if (!hello.IsWritablePrimary && !hello.Secondary && !hello.ArbiterOnly)
            return findings?.StateOf(answer.Member.Name) switch
            {
                "STARTUP" or "STARTUP2" => "is copying the data",
                "RECOVERING" => "is recovering",
                "ROLLBACK" => "is rolling back what a majority never had",
                "REMOVED" => "is no member of the replica set",
                _ => "neither takes writes nor follows",
            };
        return role == MemberRole.Replica && lag > LagLimit ? $"is more than {LagLimit} s behind" : null;
    }

    // The cause before its consequences. Pods that go with a scale-in are not missed.
    private static string? Problem(MongoDbPlan plan, IReadOnlyList<MongoDbAnswer> answers, List<MemberHealth> members, MongoDbFindings? findings)
    {
        foreach (var pod in plan.WantedPods)
        {
            if (members.FirstOrDefault(member => member.Pod == pod) is not { } member)
                return $"{pod}: does not exist yet";
            if (!member.Serving)
                return $"{pod}: {member.Detail}";
        }

        if (findings is null)
            return "the primary did not say how the replica set is";
        if (findings.Problem is not null)
            return findings.Problem;
        if (!findings.Committed)
            return "the last change of the replica set is not on a majority of its members yet";
        var old = answers.FirstOrDefault(answer => answer.Version is { } version && !version.StartsWith(plan.Version + ".", StringComparison.Ordinal));
        return old is null ? null : $"{old.Member.Name}: runs {old.Version}, not {plan.Version}";
    }

    private static async Task<MongoDbAnswer> AskAsync(MongoDbPlan plan, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member, null, null, null, "has no address yet");
        MongoHello? hello = null;
        try
        {
            var client = await MongoDbTopology.ConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            hello = client.Hello;
            // An arbiter knows no users, a server that is copying or without a set knows none yet: nobody could log in.
            if (!hello.IsWritablePrimary && !hello.Secondary)
                return new(member, hello, null, null, null);
            await MongoDbTopology.LogInAsync(plan, target, client, cancellationToken).ConfigureAwait(false);
            var build = await client.RunAsync("admin", new() { { "buildInfo", 1 } }, cancellationToken).ConfigureAwait(false);
            var status = await client.RunAsync("admin", StatusCommand(), cancellationToken).ConfigureAwait(false);
            var stored = await client.RunAsync("admin", new() { { "dbStats", 1 } }, cancellationToken).ConfigureAwait(false);
            return new(member, hello, build.Text("version"), (int?)status.Document("connections")?.Integer("current"), null)
            {
                Volume = stored.Integer("fsUsedSize") is { } used && stored.Integer("fsTotalSize") is > 0 and var total ? new(used, total) : null,
            };
        }
        catch (MongoException exception)
        {
            return new(member, hello, null, null, exception.Code == MongoException.AuthenticationFailed ? "the operator's password is refused" : $"answers {exception.CodeName}");
        }
        catch (Exception exception) when (MongoDbTopology.IsAbsence(exception))
        {
            return new(member, hello, null, null, "does not answer");
        }
        catch (OperationCanceledException)
        {
            return new(member, hello, null, null, "did not answer in time");
        }
    }

    // Of the server's long report, the connections.
    private static BsonDocument StatusCommand()
    {
        var command = new BsonDocument { { "serverStatus", 1 } };
        foreach (var section in (string[])["asserts", "extra_info", "globalLock", "locks", "metrics", "mirroredReads", "network", "opLatencies", "opcounters", "repl", "storageEngine", "tcmalloc", "transactions", "wiredTiger"])
            command.Add(section, 0);
        return command;
    }

    private static async Task<MongoDbFindings?> FindAsync(MongoDbPlan plan, EngineTarget target, string primary, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(Patience, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
        try
        {
            var client = await MongoDbTopology.PrimaryAsync(plan, target, primary, either.Token).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            return await MongoDbFindings.AskAsync(plan, client, either.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (MongoDbTopology.IsAbsence(exception) || exception is MongoException or InvalidOperationException)
        {
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return null;
        }
    }

    private static (int Major, int Minor, int Patch) Comparable(string version)
    {
        var parts = version.Split('.', '-').Select(part => int.TryParse(part, out var number) ? number : 0).Concat([0, 0, 0]).Take(3).ToList();
        return (parts[0], parts[1], parts[2]);
    }
}

/// <summary>What one member said.</summary>
/// <param name="Member">The member.</param>
/// <param name="Hello">What it says to strangers, or null when it does not answer.</param>
/// <param name="Version">Version of the server; one that knows no users tells none.</param>
/// <param name="Connections">Client connections.</param>
/// <param name="Problem">Why it could not be asked.</param>
internal sealed record MongoDbAnswer(MemberPod Member, MongoHello? Hello, string? Version, int? Connections, string? Problem)
{
    /// <summary>How full its file system is (MongoDB manual, dbStats: <c>fsUsedSize</c>, <c>fsTotalSize</c>); null when it does not say.</summary>
    public VolumeUse? Volume { get; init; }
}
