using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Two users that take turns, with the same roles: a user of MongoDB has one password.</summary>
internal static class MongoDbLogins
{
    // The pods' scripts read the administrator's login from mounted files, which follow their Secret within about two minutes, and the
    // operator keeps what it read for five.
    private static readonly TimeSpan Mounted = TimeSpan.FromMinutes(10);

    public static IReadOnlyList<RotatingRole> Of(MongoDbPlan plan) =>
    [
        App(plan),
        .. plan.KeptUsers.Select(user => Declared(plan, user.Name)),
        Own(plan, MongoDbPlan.MonitorUser),
        Own(plan, MongoDbPlan.BackupUser),
        // It comes last: it is the way to tell of the others.
        .. plan.Names.Release.NamedAdministrators ? [Administrator(plan)] : Array.Empty<RotatingRole>(),
    ];

    public static IReadOnlyList<StaticRole> Static(MongoDbPlan plan) =>
    [
        new(plan.Names.InternalSecret, "members know each other by the keyfile, which they read when they start; changing it takes two rolls of all members, and there is no way yet that has them", "keyfile"),
        .. plan.Names.Release.NamedAdministrators ? [] : (StaticRole[])[new(plan.Names.InternalSecret, $"pods of stackVersion {plan.Names.Stack.StackVersion} know the administrator by one name only; a newer one lets two take turns", "admin-password")],
    ];

    public static RotatingRole App(MongoDbPlan plan) => Role(plan.Names.AppSecret, MongoDbPlan.AppUser);

    public static RotatingRole Declared(MongoDbPlan plan, string user) => Role(plan.UserSecret(user), user);

    /// <summary>A user of the operator's, of several in one Secret.</summary>
    public static RotatingRole Own(MongoDbPlan plan, string user) => Role(plan.Names.InternalSecret, user, $"{user}-password");

    public static RotatingRole Administrator(MongoDbPlan plan) => Own(plan, MongoDbPlan.AdminUser) with { LeastOverlap = Mounted };

    /// <summary>The users as they shall be while some of them log in by their second name, or by both.</summary>
    public static MongoDbPlan Resolve(MongoDbPlan plan, EngineTarget target) => plan with
    {
        Logins = Of(plan)
            .Append(Administrator(plan))
            .DistinctBy(role => role.Id)
            .Where(role => target.Secrets.GetValueOrDefault(role.SecretName)?.ContainsKey(role.Key) == true)
            .ToDictionary(role => role.Id, target.Logins, StringComparer.Ordinal),
    };

    /// <summary>The primary takes these logins and drops the role's other user; what it writes is on a majority of the members.</summary>
    public static async Task AcceptAsync(MongoDbPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = await MongoDbTopology.PrimaryAsync(plan, target, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        var users = (await MongoDbAccess.AskAsync(client, cancellationToken).ConfigureAwait(false)).Users.Select(user => user.Text("user")).OfType<string>().ToHashSet(StringComparer.Ordinal);
        var wanted = MongoDbAccess.Users(plan).Concat(MongoDbAccess.Administrators(plan)).First(user => user.Role?.Id == role.Id);
        foreach (var login in logins)
        {
            var there = users.Contains(login.Username);
            if (!(there && await IsKnownAsync(plan, login, target, cancellationToken).ConfigureAwait(false)))
                await client.RunAsync("admin", MongoDbAccess.Write(there ? MongoDbAccess.UpdateUser : MongoDbAccess.CreateUser, wanted with { Name = login.Username }, login.Password), cancellationToken).ConfigureAwait(false);
        }

        if (role.Usernames.FirstOrDefault(username => users.Contains(username) && logins.All(login => login.Username != username)) is not { } surplus)
            return;
        if (surplus != client.User)
        {
            await client.RunAsync("admin", MongoDbAccess.Drop(surplus), cancellationToken).ConfigureAwait(false);
            return;
        }

        // Nobody takes away whom it is: who comes again is let in as the one whom the Secret names.
        var other = await MongoDbTopology.PrimaryAsync(plan, target, cancellationToken).ConfigureAwait(false);
        await using var ending = other.ConfigureAwait(false);
        if (surplus != other.User)
            await other.RunAsync("admin", MongoDbAccess.Drop(surplus), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Logs in to every member that holds data. An arbiter knows no users.</summary>
    public static async Task<IReadOnlyList<LoginFinding>> LogInAsync(MongoDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var answers = await MemberPoll.AskAsync(target.Members, (member, token) => AnswerAsync(plan, login, target, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return [.. answers.OfType<LoginFinding>()];
    }

    private static RotatingRole Role(string secret, string name, string key = RotatingRole.Password) => new(secret, name, RotatingRole.SecondOf(name), key);

    // A password that is said again gets another salt: who logs in at that moment must not be refused. Where one member has it, a
    // majority has it or is about to.
    private static async Task<bool> IsKnownAsync(MongoDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        (await LogInAsync(plan, login, target, cancellationToken).ConfigureAwait(false)).Any(finding => finding.Answer == LoginAnswer.Accepted);

    private static async Task<LoginFinding?> AnswerAsync(MongoDbPlan plan, Login login, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return new(member.Name, LoginAnswer.Unknown);
        try
        {
            var client = await MongoDbTopology.ConnectAsync(plan, target, member, cancellationToken).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            if (client.Hello.ArbiterOnly)
                return null;
            if (!client.Hello.IsWritablePrimary && !client.Hello.Secondary)
                return new(member.Name, LoginAnswer.Unknown);
            await client.AuthenticateAsync(login.Username, login.Password, cancellationToken).ConfigureAwait(false);
            return new(member.Name, LoginAnswer.Accepted);
        }
        catch (MongoException exception)
        {
            return new(member.Name, exception.Code == MongoException.AuthenticationFailed ? LoginAnswer.Refused : LoginAnswer.Unknown);
        }
        catch (Exception exception) when (MongoDbTopology.IsAbsence(exception) || exception is OperationCanceledException)
        {
            return new(member.Name, LoginAnswer.Unknown);
        }
    }
}
