namespace Dora.Engines.InfluxDb.V1;

/// <summary>Two users that take turns, with the same rights: a user of 1.x has one password, and no rights by way of another user.</summary>
internal static class V1Logins
{
    public static IReadOnlyList<RotatingRole> Of(InfluxDbPlan plan) =>
        [.. plan.KeptUsers.Select(user => new RotatingRole(user.Secret, user.Name, RotatingRole.SecondOf(user.Name)))];

    /// <summary>The same users, each by the name that its Secret gives.</summary>
    public static InfluxDbPlan Resolve(InfluxDbPlan plan, EngineTarget target) => plan with
    {
        Users = [.. plan.Users.Select(user => !user.KeepsPassword && target.Secrets.GetValueOrDefault(user.Secret)?.GetValueOrDefault("username") == RotatingRole.SecondOf(user.Name)
            ? user with { Name = RotatingRole.SecondOf(user.Name) }
            : user)],
    };

    /// <summary>Has the server accept these logins, with the rights that are declared, and drops the role's other user.</summary>
    public static async Task AcceptAsync(InfluxDbPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = V1Probe.Admin(plan, target, Server(target));
        var user = plan.Users.First(user => user.Secret == role.SecretName);
        foreach (var username in role.Usernames)
        {
            var there = (await V1State.ReadAsync(client, V1State.Nobody, cancellationToken).ConfigureAwait(false)).Users.ContainsKey(username);
            if (logins.FirstOrDefault(login => login.Username == username) is { } login)
            {
                // The password that it has already is not said again: who logs in at that moment must not be refused.
                if (!there)
                    await client.QueryAsync(InfluxQl.CreateUser(username, login.Password), cancellationToken, login.Password).ConfigureAwait(false);
                else if (await AnswerAsync(plan, login, target, cancellationToken).ConfigureAwait(false) != LoginAnswer.Accepted)
                    await client.QueryAsync(InfluxQl.SetPassword(username, login.Password), cancellationToken, login.Password).ConfigureAwait(false);
                await V1Commands.GrantAsync(client, user with { Name = username }, cancellationToken).ConfigureAwait(false);
            }
            else if (there)
            {
                await client.QueryAsync(InfluxQl.DropUser(username), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public static async Task<IReadOnlyList<LoginFinding>> LogInAsync(InfluxDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        [new(Server(target).Name, await AnswerAsync(plan, login, target, cancellationToken).ConfigureAwait(false))];

    private static async Task<LoginAnswer> AnswerAsync(InfluxDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        using var patience = InfluxHttp.Patience(cancellationToken);
        try
        {
            await new V1Client(InfluxHttp.To(plan, target, Server(target), InfluxHttp.Basic(login.Username, login.Password))).QueryAsync("SHOW DATABASES", patience.Token).ConfigureAwait(false);
            return LoginAnswer.Accepted;
        }
        catch (Exception thrown) when (InfluxHttp.Finding(thrown, cancellationToken) is { } exception)
        {
            return exception.Fault == InfluxFault.Unauthorized ? LoginAnswer.Refused : LoginAnswer.Unknown;
        }
    }

    private static MemberPod Server(EngineTarget target) => target.Members.FirstOrDefault(member => member.Ordinal == 0) ?? throw new InvalidOperationException("no server exists");
}
