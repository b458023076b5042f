using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Two users that take turns, with the same roles: a user of MongoDB has one password.</summary>
internal static class MongoDbLogins
{
    public static IReadOnlyList<RotatingRole> Of(MongoDbPlan plan) =>
    [
        Role(plan.Names.AppSecret, MongoDbPlan.AppUser),
        .. plan.KeptUsers.Select(user => Role(plan.UserSecret(user.Name), user.Name)),
    ];

    /// <summary>The users as they shall be while some of them log in by their second name, or by both.</summary>
    public static MongoDbPlan Resolve(MongoDbPlan plan, EngineTarget target) => plan with
    {
        Logins = Of(plan)
            .Where(role => target.Secrets.GetValueOrDefault(role.SecretName)?.ContainsKey("password") == true)
            .ToDictionary(role => role.SecretName, role => target.Logins(role.SecretName, role.Username), StringComparer.Ordinal),
    };

    /// <summary>The primary takes these logins and drops the role's other user; what it writes is on a majority of the members.</summary>
    public static async Task AcceptAsync(MongoDbPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        var client = await MongoDbTopology.PrimaryAsync(plan, target, cancellationToken).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        var users = (await MongoDbAccess.AskAsync(client, cancellationToken).ConfigureAwait(false)).Users.Select(user => user.Text("user")).ToHashSet(StringComparer.Ordinal);
        var wanted = MongoDbAccess.Users(plan).First(user => user.Secret == role.SecretName);
        foreach (var username in role.Usernames)
        {
            var there = users.Contains(username);
            var login = logins.FirstOrDefault(login => login.Username == username);
            if (login is null && there)
                await client.RunAsync("admin", MongoDbAccess.Drop(username), cancellationToken).ConfigureAwait(false);
            else if (login is not null && !(there && await IsKnownAsync(plan, login, target, cancellationToken).ConfigureAwait(false)))
                await client.RunAsync("admin", MongoDbAccess.Write(there ? MongoDbAccess.UpdateUser : MongoDbAccess.CreateUser, wanted with { Name = username }, login.Password), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Logs in to every member that holds data. An arbiter knows no users.</summary>
    public static async Task<IReadOnlyList<LoginFinding>> LogInAsync(MongoDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken)
    {
        var answers = await MemberPoll.AskAsync(target.Members, (member, token) => AnswerAsync(plan, login, target, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        return [.. answers.OfType<LoginFinding>()];
    }

    private static RotatingRole Role(string secret, string name) => new(secret, name, RotatingRole.SecondOf(name));

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
