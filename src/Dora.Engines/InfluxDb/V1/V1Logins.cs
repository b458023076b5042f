namespace Dora.Engines.InfluxDb.V1;

/// <summary>Two users that take turns, with the same rights: a user of 1.x has one password, and no rights by way of another user.</summary>
internal static class V1Logins
{
    // The pods' probes and the script before each start read mounted files, which follow their Secret within about two minutes.
    private static readonly TimeSpan Mounted = TimeSpan.FromMinutes(10);

    public static IReadOnlyList<RotatingRole> Of(InfluxDbPlan plan) =>
    [
        .. plan.KeptUsers.Select(user => new RotatingRole(user.Secret, user.Name, RotatingRole.SecondOf(user.Name))),
        // The administrator comes last: it is the way to tell of the others.
        .. plan.Names.Release.NamedAdministrators ? [Own(plan, InfluxDbPlan.MonitorUser), Administrator(plan)] : Array.Empty<RotatingRole>(),
    ];

    public static IReadOnlyList<StaticRole> Static(InfluxDbPlan plan) =>
    [
        new(plan.Names.InternalSecret, "the server takes the secret of JSON web tokens from a variable of its environment, and only when it starts", InfluxDbCredentials.JwtSecret),
        .. plan.Names.Release.NamedAdministrators ? [] : ((string[])[InfluxDbCredentials.AdminPassword, InfluxDbCredentials.MonitorPassword])
            .Select(key => new StaticRole(plan.Names.InternalSecret, $"pods of stackVersion {plan.Names.Stack.StackVersion} know this user by one name only; a newer one lets two take turns", key)),
    ];

    public static RotatingRole Administrator(InfluxDbPlan plan) => Own(plan, InfluxDbPlan.AdminUser);

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
        // Who monitors logs in, and may do nothing.
        var user = plan.Users.FirstOrDefault(user => user.Secret == role.SecretName) ?? new(role.Username, role.SecretName, [], []);
        var administrator = role.Id == Administrator(plan).Id;
        foreach (var username in role.Usernames.OrderBy(username => logins.All(login => login.Username != username)))
        {
            var there = (await V1State.ReadAsync(client, V1State.Nobody, cancellationToken).ConfigureAwait(false)).Users.ContainsKey(username);
            if (logins.FirstOrDefault(login => login.Username == username) is { } login)
            {
                // The password that it has already is not said again: who logs in at that moment must not be refused.
                if (!there)
                    await client.QueryAsync(administrator ? InfluxQl.CreateAdministrator(username, login.Password) : InfluxQl.CreateUser(username, login.Password), cancellationToken, login.Password).ConfigureAwait(false);
                else if (await AnswerAsync(plan, login, target, cancellationToken).ConfigureAwait(false) != LoginAnswer.Accepted)
                    await client.QueryAsync(InfluxQl.SetPassword(username, login.Password), cancellationToken, login.Password).ConfigureAwait(false);
                if (administrator)
                    await client.QueryAsync(InfluxQl.GrantAdmin(username), cancellationToken).ConfigureAwait(false);
                else
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

    private static RotatingRole Own(InfluxDbPlan plan, string user) => new(plan.Names.InternalSecret, user, RotatingRole.SecondOf(user), $"{user}-password") { LeastOverlap = Mounted };

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
