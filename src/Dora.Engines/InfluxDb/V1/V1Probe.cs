using System.Net.Http.Headers;

namespace Dora.Engines.InfluxDb.V1;

/// <summary>Asks a 1.x server how it is and what it holds.</summary>
internal static class V1Probe
{
    /// <summary>As the administrator whom the Secret names: the script before each start sees to it that the server knows that one.</summary>
    public static V1Client Admin(InfluxDbPlan plan, EngineTarget target, MemberPod member)
    {
        var login = target.Login(V1Logins.Administrator(plan));
        return Client(plan, target, member, InfluxHttp.Basic(login.Username, login.Password));
    }

    public static async Task<EngineHealth> RunAsync(InfluxDbPlan plan, EngineTarget target, CancellationToken cancellationToken)
    {
        if (target.Members.FirstOrDefault(member => member.Ordinal == 0) is not { } member)
            return new(EngineVerdict.Unreachable, [], null, null, "no server exists", []);
        using var patience = InfluxHttp.Patience(cancellationToken);
        try
        {
            var state = await V1State.ReadAsync(Admin(plan, target, member), plan.Users.Select(user => user.Name).ToHashSet(StringComparer.Ordinal), patience.Token).ConfigureAwait(false);
            var refused = await RefusedAsync(plan, target, member, state, patience.Token).ConfigureAwait(false);
            return Judge(plan, member.Name, state, refused);
        }
        catch (Exception thrown) when (InfluxHttp.Finding(thrown, cancellationToken) is { } exception)
        {
            var verdict = exception.Fault is InfluxFault.Unreachable or InfluxFault.TimedOut ? EngineVerdict.Unreachable : EngineVerdict.Degraded;
            return new(verdict, [new(member.Name, MemberRole.Unknown, false, Detail: exception.Finding)], null, null, $"{member.Name}: {exception.Finding}", []);
        }
    }

    /// <summary>From what the server holds to a verdict; pure.</summary>
    /// <param name="plan">What is wanted.</param>
    /// <param name="pod">The server's pod.</param>
    /// <param name="state">What it holds.</param>
    /// <param name="refused">Users whose password the server refuses.</param>
    public static EngineHealth Judge(InfluxDbPlan plan, string pod, V1State state, IReadOnlySet<string> refused)
    {
        List<string> needs =
        [
            .. plan.Databases.SelectMany(database => Needs(database, state)),
            .. plan.Users.SelectMany(user => Needs(user, state, refused)),
            .. plan.GivenUp.Where(state.Users.ContainsKey).Select(user => InfluxDbNeeds.Of(InfluxDbNeeds.DropUser, user)),
            .. plan.Downsampling.Where(wanted => !Holds(wanted, state)).Select(wanted => InfluxDbNeeds.Of(InfluxDbNeeds.SetContinuousQuery, wanted.Name)),
            .. Undeclared(plan, state).Select(query => InfluxDbNeeds.Of(InfluxDbNeeds.RemoveContinuousQuery, query.Database, query.Name)),
        ];
        return new(
            needs.Count == 0 ? EngineVerdict.Healthy : EngineVerdict.Degraded,
            [new(pod, MemberRole.Primary, true) { Volume = new(state.DataBytes) }],
            pod,
            state.Version,
            needs.Count == 0 ? "" : $"not yet as declared: {InfluxDbNeeds.Describe(needs)}",
            needs);
    }

    /// <summary>What a user shall have, by database.</summary>
    public static IReadOnlyDictionary<string, string> Grants(UserPlan user) => user.Read.Union(user.Write).ToDictionary(
        database => database,
        database => (user.Read.Contains(database), user.Write.Contains(database)) switch { (true, true) => "ALL", (true, _) => "READ", _ => "WRITE" },
        StringComparer.Ordinal);

    public static bool Holds(V1User user, UserPlan wanted) => !user.Admin && Grants(wanted) is var grants
        && grants.Count == user.Grants.Count && grants.All(grant => user.Grants.GetValueOrDefault(grant.Key) == grant.Value);

    private static IEnumerable<string> Needs(DatabasePlan database, V1State state)
    {
        if (!state.Policies.TryGetValue(database.Name, out var policies))
        {
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.CreateDatabase, database.Name);
            policies = [database.Policies[0]];
        }

        foreach (var wanted in database.Policies)
        {
            if (policies.FirstOrDefault(policy => policy.Name == wanted.Name) is not { } policy)
                yield return InfluxDbNeeds.Of(InfluxDbNeeds.CreatePolicy, database.Name, wanted.Name);
            else if (policy != wanted)
                yield return InfluxDbNeeds.Of(InfluxDbNeeds.AlterPolicy, database.Name, wanted.Name);
        }
    }

    private static IEnumerable<string> Needs(UserPlan wanted, V1State state, IReadOnlySet<string> refused)
    {
        if (!state.Users.TryGetValue(wanted.Name, out var user))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.CreateUser, wanted.Name);
        else if (refused.Contains(wanted.Name))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.SetPassword, wanted.Name);
        if (user is null || !Holds(user, wanted))
            yield return InfluxDbNeeds.Of(InfluxDbNeeds.SetGrants, wanted.Name);
    }

    private static bool Holds(DownsamplingPlan wanted, V1State state) =>
        state.ContinuousQueries.GetValueOrDefault((wanted.Source, InfluxQl.Mark + wanted.Name)) is { } query
        && InfluxQl.Normal(query) == InfluxQl.Normal(InfluxQl.CreateContinuousQuery(wanted));

    // A name with a slash is nobody's that the operator made.
    private static IEnumerable<(string Database, string Name)> Undeclared(InfluxDbPlan plan, V1State state) => state.ContinuousQueries.Keys
        .Where(query => query.Name.StartsWith(InfluxQl.Mark, StringComparison.Ordinal) && !query.Name.Contains('/', StringComparison.Ordinal) && !query.Database.Contains('/', StringComparison.Ordinal))
        .Where(query => !plan.Downsampling.Any(wanted => wanted.Source == query.Database && InfluxQl.Mark + wanted.Name == query.Name))
        .OrderBy(query => query.Database, StringComparer.Ordinal).ThenBy(query => query.Name, StringComparer.Ordinal);

    // A password can only be compared by logging in with it.
    private static async Task<IReadOnlySet<string>> RefusedAsync(InfluxDbPlan plan, EngineTarget target, MemberPod member, V1State state, CancellationToken cancellationToken)
    {
        var answers = await Task.WhenAll(plan.KeptUsers.Where(user => state.Users.ContainsKey(user.Name)).Select(async user =>
        {
            try
            {
                await Client(plan, target, member, InfluxHttp.Basic(user.Name, target.Credential(user.Secret, InfluxDbCredentials.Password))).QueryAsync("SHOW DATABASES", cancellationToken).ConfigureAwait(false);
                return null;
            }
            catch (InfluxException exception) when (exception.Fault == InfluxFault.Unauthorized)
            {
                return user.Name;
            }
        })).ConfigureAwait(false);
        return answers.OfType<string>().ToHashSet(StringComparer.Ordinal);
    }

    private static V1Client Client(InfluxDbPlan plan, EngineTarget target, MemberPod member, AuthenticationHeaderValue credentials) => new(InfluxHttp.To(plan, target, member, credentials));
}
