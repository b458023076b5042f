using System.Security.Cryptography;
using System.Text;

namespace Dora.Engines.InfluxDb.V2;

/// <summary>
/// Two administrators that take turns, on each server (InfluxDB 2.7 documentation, "InfluxDB v2 API", <c>/users/{id}/password</c> and
/// <c>/signin</c>): a user of 2.x has one password. None of them is ever removed, since tokens end with the user they belong to, the
/// administrator's own among them; whose turn it is not gets a password that is written nowhere.
/// </summary>
internal static class V2Logins
{
    // The script before each start reads mounted files, which follow their Secret within about two minutes.
    private static readonly TimeSpan Mounted = TimeSpan.FromMinutes(10);

    public static IReadOnlyList<RotatingRole> Of(InfluxDbPlan plan) => plan.Names.Release.NamedAdministrators
        ? [new(plan.Names.InternalSecret, InfluxDbPlan.AdminUser, RotatingRole.SecondOf(InfluxDbPlan.AdminUser), InfluxDbCredentials.AdminPassword) { LeastOverlap = Mounted }]
        : [];

    public static IReadOnlyList<StaticRole> Static(InfluxDbPlan plan) =>
    [
        new(plan.Names.InternalSecret, "all servers of the stack and its backups know this token; a server issues tokens of its own only, and none that another one takes", InfluxDbCredentials.AdminToken),
        .. plan.Names.Release.NamedAdministrators ? [] : (StaticRole[])[new(plan.Names.InternalSecret, $"pods of stackVersion {plan.Names.Stack.StackVersion} set servers up with one administrator's name only; a newer one lets two take turns", InfluxDbCredentials.AdminPassword)],
    ];

    public static async Task AcceptAsync(InfluxDbPlan plan, RotatingRole role, IReadOnlyList<Login> logins, EngineTarget target, CancellationToken cancellationToken)
    {
        foreach (var member in target.Members)
        {
            var client = V2Probe.Admin(plan, target, member);
            var org = await client.OrganizationAsync(plan.Organization, cancellationToken).ConfigureAwait(false) ?? throw new InfluxException(InfluxFault.NotFound, $"has no organisation '{plan.Organization}'");
            var users = await client.UsersAsync(cancellationToken).ConfigureAwait(false);
            foreach (var username in role.Usernames)
            {
                var user = users.FirstOrDefault(user => user.Name == username);
                if (logins.FirstOrDefault(login => login.Username == username) is { } login)
                {
                    user ??= await client.PostAsync("api/v2/users", new V2User(null, username), V2Json.Default.V2User, cancellationToken).ConfigureAwait(false);
                    // The password that it has already is not said again: who signs in at that moment must not be refused.
                    if (await AnswerAsync(plan, login, target, member, cancellationToken).ConfigureAwait(false) != LoginAnswer.Accepted)
                        await client.SetPasswordAsync(user, login.Password, cancellationToken).ConfigureAwait(false);
                    await client.SetOwnerAsync(org, user, cancellationToken).ConfigureAwait(false);
                }
                else if (user is not null)
                {
                    await client.SetPasswordAsync(user, Nobodys(plan, target, username, logins), cancellationToken).ConfigureAwait(false);
                }
            }
        }
    }

    /// <summary>Signs in to every server.</summary>
    public static Task<IReadOnlyList<LoginFinding>> LogInAsync(InfluxDbPlan plan, Login login, EngineTarget target, CancellationToken cancellationToken) =>
        MemberPoll.AskAsync(target.Members, async (member, token) => new LoginFinding(member.Name, await AnswerAsync(plan, login, target, member, token).ConfigureAwait(false)), TimeProvider.System, cancellationToken);

    // Whoever could compute it holds the administrator's token and password, and is the administrator. Saying it again changes nothing.
    private static string Nobodys(InfluxDbPlan plan, EngineTarget target, string username, IReadOnlyList<Login> logins) => Convert.ToHexStringLower(HMACSHA256.HashData(
        Encoding.UTF8.GetBytes(target.Credential(plan.Names.InternalSecret, InfluxDbCredentials.AdminToken)),
        Encoding.UTF8.GetBytes(string.Join('\n', [username, .. logins.Select(login => login.Password)]))));

    private static async Task<LoginAnswer> AnswerAsync(InfluxDbPlan plan, Login login, EngineTarget target, MemberPod member, CancellationToken cancellationToken)
    {
        using var patience = InfluxHttp.Patience(cancellationToken);
        try
        {
            await new V2Client(InfluxHttp.To(plan, target, member, InfluxHttp.Basic(login.Username, login.Password))).SignInAsync(patience.Token).ConfigureAwait(false);
            return LoginAnswer.Accepted;
        }
        catch (Exception thrown) when (InfluxHttp.Finding(thrown, cancellationToken) is { } exception)
        {
            return exception.Fault == InfluxFault.Unauthorized ? LoginAnswer.Refused : LoginAnswer.Unknown;
        }
    }
}
