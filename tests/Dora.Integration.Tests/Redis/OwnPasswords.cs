using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Integration.Tests.Rotation;
using Xunit;

namespace Dora.Integration.Tests.Redis;

/// <summary>Changes the passwords of the servers' own users, and puts the first ones back for whoever comes next.</summary>
/// <param name="Plan">Whose servers.</param>
/// <param name="Target">The members, and what their Secret holds now.</param>
/// <param name="Change">Changes the Secret, for the operator and where members have it mounted.</param>
internal sealed record OwnPasswords(RedisPlan Plan, Func<EngineTarget> Target, Action<string, string> Change) : IAsyncDisposable
{
    private readonly IReadOnlyDictionary<string, string> _first = Target().Secrets[Plan.Names.InternalSecret];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private IEnumerable<RotatingRole> Roles => RedisLogins.Of(Plan).Where(role => role.SecretName == Plan.Names.InternalSecret);

    /// <summary>All of them, one after the other, while somebody logs in to every member over and over.</summary>
    public async Task RotateAsync()
    {
        foreach (var role in Roles)
        {
            var servers = new RealLogins(role, logins => RedisLogins.AcceptAsync(Plan, role, logins, Target(), Token), login => RedisLogins.LogInAsync(Plan, role, login, Target(), Token));
            await using var run = await RotationRun.StartAsync("redis", servers, new(role.Username, _first[role.Key]), $"{{mode: {Plan.Mode}}}");
            await run.RotateAsync(
                "now",
                async login =>
                {
                    foreach (var member in Target().Members)
                    {
                        var client = await RedisAuthority.ConnectAsync(Plan, member, RedisPlan.Port, login.Username, login.Password, Token);
                        await client.DisposeAsync();
                    }
                },
                _ =>
                {
                    if (Target().Credential(role.SecretName, role.Key) != run.Held().Password)
                        Change(role.Key, run.Held().Password);
                    return Task.CompletedTask;
                });
            Assert.NotEqual(_first[role.Key], Target().Credential(role.SecretName, role.Key));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var role in Roles)
        {
            var first = new Login(role.Username, _first[role.Key]);
            await RedisLogins.AcceptAsync(Plan, role, [new(role.Username, Target().Credential(role.SecretName, role.Key)), first], Target(), Token);
            Change(role.Key, first.Password);
            await RedisLogins.AcceptAsync(Plan, role, [first], Target(), Token);
        }
    }
}
