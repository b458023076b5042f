using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.Redis;

/// <summary>A user, its Secret, and what it may do as <c>ACL SETUSER</c> takes it (Redis documentation, "ACL").</summary>
/// <param name="Name">Its name.</param>
/// <param name="Secret">The Secret.</param>
/// <param name="Rules">What it may do.</param>
/// <param name="KeepsPassword">Whether its password is somebody else's to set, and no Secret holds it.</param>
internal sealed record UserPlan(string Name, string Secret, IReadOnlyList<string> Rules, bool KeepsPassword = false);

/// <summary>
/// Users beside those that the servers need to run: monitor, backup, and declared ones. They are set on running members and saved to
/// the ACL file on the volume, from which the start script takes them over. Mounting their Secrets instead would change the pod
/// template, and so restart every member, each time a user is declared.
/// </summary>
internal static class RedisUsers
{
    public const string SetUser = "SetUser";
    public const string RemoveUser = "RemoveUser";

    /// <summary>Whom Vault logs in as; nobody else's where a login is Vault's.</summary>
    public const string VaultUser = "vault";

    /// <summary>What the application may do, as the scripts that start a server write it.</summary>
    public static IReadOnlyList<string> AppRules { get; } = ["~*", "&*", "+@all", "-@admin", "-@dangerous", "+info", "+keys"];

    private static readonly string[] _reserved = ["default", RedisPlan.AdminUser, "replica", "sentinel", RedisPlan.MigrateUser, RedisPlan.AppUser, "monitor", "backup"];
    private static readonly string[] _categories = ["read", "write", "keyspace", "string", "list", "hash", "set", "sortedset", "stream", "bitmap", "hyperloglog", "geo", "pubsub", "transaction", "scripting", "blocking"];

    /// <summary>Those that the start script makes from mounted Secrets.</summary>
    private static readonly string[] _mounted = ["default", RedisPlan.AdminUser, "replica", "sentinel", RedisPlan.MigrateUser, RedisPlan.AppUser];

    public static IReadOnlyList<UserPlan> Of(EngineNames names, RedisSettings settings) =>
    [
        new("monitor", Secret(names, "monitor"), ["-@all", "+ping", "+hello", "+info", "+dbsize", "+role", "+lastsave", "+slowlog|get", "+slowlog|len", "+latency|latest", "+memory|stats", "+cluster|info", "+cluster|nodes"]),
        // Takes a copy as a replica does (redis-cli --rdb), or has the server write one.
        new("backup", Secret(names, "backup"), ["-@all", "+ping", "+hello", "+psync", "+sync", "+replconf", "+info", "+bgsave", "+lastsave"]),
        .. (settings.Users ?? []).Where(user => user.Vault?.DynamicRole is null).Select(user => new UserPlan(user.Name, Secret(names, user.Name), Rules(user), KeepsPassword: user.Vault is not null)),
    ];

    public static IEnumerable<CredentialRequest> Credentials(RedisPlan plan) => plan.Users.Where(user => !user.KeepsPassword).Select(user => Access(plan, user.Secret, user.Name) with { Renewable = true });

    /// <summary>Logins that Vault gives. It tells one server, and servers tell each other nothing of users.</summary>
    public static IEnumerable<VaultLogin> VaultLogins(string path, RedisPlan plan, RedisSettings settings) => plan.Mode != RedisMode.Standalone ? [] : (settings.Users ?? [])
        .Select((user, index) => (User: user, Index: index))
        .Where(entry => entry.User.Vault is not null)
        .Select(entry => new VaultLogin(
            string.Create(CultureInfo.InvariantCulture, $"{path}.users[{entry.Index}].vault"),
            entry.User.Vault!,
            entry.User.Vault!.StaticRole is null ? null : entry.User.Name,
            Access(plan, $"{plan.Names.Cluster}-vault-{entry.User.Name}", entry.User.Name)));

    private static CredentialRequest Access(RedisPlan plan, string secret, string user) => new(
        secret,
        [
            new("password"),
            new("username", user),
            new("host", plan.Names.Domain(plan.Names.Cluster)),
            new("port", RedisPlan.Port.ToString(CultureInfo.InvariantCulture)),
        ]);

    public static IEnumerable<Violation> Validate(string path, RedisPlan plan, RedisSettings settings)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (user, index) in (settings.Users ?? []).Select((user, index) => (user, index)))
        {
            var at = string.Create(CultureInfo.InvariantCulture, $"{path}.users[{index}]");
            if (_reserved.Contains(user.Name))
                yield return new($"{at}.name", $"'{user.Name}' is reserved", "choose another name");
            else if (user.Name == VaultUser && plan.WithVault)
                yield return new($"{at}.name", $"'{user.Name}' is whom Vault logs in as", "choose another name");
            else if (user.Name.Length is 0 or > 24 || !char.IsAsciiLetterLower(user.Name[0]) || user.Name[^1] == '-' || !user.Name.All(IsOfName))
                yield return new($"{at}.name", "is not a name that a Secret can carry", "use up to 24 lower-case letters, digits and dashes, a letter first");
            else if (!names.Add(user.Name))
                yield return new($"{at}.name", $"'{user.Name}' is declared twice", "declare each user once");
            if (user.Vault is not null && plan.Mode != RedisMode.Standalone)
                yield return new($"{at}.vault", $"Vault tells one server of its logins, and servers in mode {plan.Mode} tell each other nothing of users: a login would be refused by the others, and after a failover by the master", "remove it, for a password that the operator tells every member; or create a stack with mode Standalone");
            if (user is { Vault.DynamicRole: not null } && (user.Keys ?? user.Channels ?? user.Categories) is not null)
                yield return new($"{at}.vault", "Redis has no groups by which the users that Vault makes could have what is declared", "remove keys, channels and categories, and write what they may do into the creation statements of the role in Vault");
            foreach (var pattern in (user.Keys ?? []).Where(pattern => !IsPattern(pattern)))
                yield return new($"{at}.keys", $"'{pattern}' is not a pattern", "use printable letters without blanks, with closed brackets, such as 'orders:*'");
            foreach (var pattern in (user.Channels ?? []).Where(pattern => !IsPattern(pattern)))
                yield return new($"{at}.channels", $"'{pattern}' is not a pattern", "use printable letters without blanks, with closed brackets, such as 'news.*'");
            foreach (var category in (user.Categories ?? []).Where(category => !_categories.Contains(category)))
                yield return new($"{at}.categories", $"'{category}' is not allowed", $"choose from {string.Join(", ", _categories)}");
        }
    }

    /// <summary>What is missing on members that answer.</summary>
    public static async Task<EngineHealth> CompleteAsync(RedisPlan plan, EngineTarget target, EngineHealth health, CancellationToken cancellationToken)
    {
        if (health.Primary is null)
            return health;
        var admin = RedisAdmin.Of(plan, target);
        var lists = await MemberPoll.AskAsync(target.Members, (member, token) => ListAsync(admin, member, token), TimeProvider.System, cancellationToken).ConfigureAwait(false);
        var needs = lists.OfType<string>().SelectMany(list => Needs(plan, target, list)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (needs.Count == 0)
            return health;
        var message = health.Message.Length > 0 ? health.Message : $"user '{needs[0].Split('/')[1]}' is not as declared on every member";
        return health with { Verdict = health.Verdict == EngineVerdict.Healthy ? EngineVerdict.Degraded : health.Verdict, Message = message, Needs = [.. health.Needs, .. needs] };
    }

    /// <summary>What a member's <c>ACL LIST</c> lacks; pure.</summary>
    public static IEnumerable<string> Needs(RedisPlan plan, EngineTarget target, string list)
    {
        var lines = list.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).Where(words => words.Length > 1).ToList();
        foreach (var user in plan.Users)
        {
            if (!user.KeepsPassword && Password(target, user) is null)
                continue;
            var line = lines.FirstOrDefault(words => words[1] == user.Name);
            if (line is null || !(user.KeepsPassword ? line.Contains("on") && !line.Contains("nopass") : Takes(line, RedisLogins.Hashes(target, user.Secret))) || !line.Any(word => word.Trim('(', ')') == Mark(user)))
                yield return $"{SetUser}/{user.Name}";
        }

        // The start script makes the application's user, with the one password that is mounted: while two are accepted it needs the other one, too.
        if (IsKnown(target, plan.Names.AppSecret) && (lines.FirstOrDefault(words => words[1] == RedisPlan.AppUser) is not { } app || !app.Contains("on") || !Takes(app, RedisLogins.Hashes(target, plan.Names.AppSecret))))
            yield return $"{SetUser}/{RedisPlan.AppUser}";

        foreach (var stray in lines.Select(words => words[1]).Where(name => !_mounted.Contains(name) && plan.Users.All(user => user.Name != name) && !(plan.WithVault && IsVaults(name))))
            yield return $"{RemoveUser}/{stray}";
    }

    /// <summary>Commands from what was last found; pure.</summary>
    public static IEnumerable<EngineCommand> Decide(EngineObservation observed) => (observed.Health?.Needs ?? [])
        .Where(Is)
        .Select(need => need.Split('/', 2))
        .Select(need => new EngineCommand(need[0], need[1], need[0] == SetUser ? $"user '{need[1]}' is not as declared on every member" : $"user '{need[1]}' is not declared"));

    public static bool Is(string need) => need.StartsWith($"{SetUser}/", StringComparison.Ordinal) || need.StartsWith($"{RemoveUser}/", StringComparison.Ordinal);

    public static async Task ExecuteAsync(RedisPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var user = plan.Users.FirstOrDefault(user => user.Name == command.Subject);
        string[]? words = command.Name == SetUser
            ? user is { KeepsPassword: true } ? ["ACL", "SETUSER", user.Name, "on", "resetkeys", "clearselectors", .. user.Rules, $"({Mark(user)} -@all)"]
                : user is not null && Password(target, user) is not null ? ["ACL", "SETUSER", user.Name, "reset", "on", .. RedisLogins.Hashes(target, user.Secret), .. user.Rules, $"({Mark(user)} -@all)"]
                : command.Subject == RedisPlan.AppUser && IsKnown(target, plan.Names.AppSecret) ? ["ACL", "SETUSER", RedisPlan.AppUser, "reset", "on", .. RedisLogins.Hashes(target, plan.Names.AppSecret), .. AppRules] : null
            : user is null && !_mounted.Contains(command.Subject) && !(plan.WithVault && IsVaults(command.Subject)) ? ["ACL", "DELUSER", command.Subject] : null;
        if (words is null)
            return;
        var admin = RedisAdmin.Of(plan, target);
        foreach (var member in target.Members.Where(member => member.Address is not null))
        {
            var client = await admin.ConnectAsync(member, RedisPlan.Port, cancellationToken).ConfigureAwait(false);
            await using var closing = client.ConfigureAwait(false);
            if (user is { KeepsPassword: true } && await IsOpenAsync(client, user.Name, cancellationToken).ConfigureAwait(false))
                await client.SendAsync(cancellationToken, "ACL", "SETUSER", user.Name, "resetpass").ConfigureAwait(false);
            await client.SendAsync(cancellationToken, words).ConfigureAwait(false);
            await client.SendAsync(cancellationToken, "ACL", "SAVE").ConfigureAwait(false);
        }
    }

    private static bool IsKnown(EngineTarget target, string secret) => target.Accepted?.ContainsKey(secret) == true || target.Secrets.GetValueOrDefault(secret)?.ContainsKey(RotatingRole.Password) == true;

    // Whether it needs no password at all: that is not what Vault set.
    private static async Task<bool> IsOpenAsync(RespClient client, string user, CancellationToken cancellationToken) =>
        (await client.SendAsync(cancellationToken, "ACL", "GETUSER", user).ConfigureAwait(false)).Items?.ElementAtOrDefault(1).Items?.Any(flag => flag.Text == "nopass") == true;

    // Whom Vault logs in as, and those whom it makes: their names hold a letter that no name of a declared user may hold (Vault
    // separates its parts by '_', and a role's name holds a dot), so none of them is a user that was declared before.
    private static bool IsVaults(string name) => name == VaultUser || !name.All(IsOfName);

    private static bool IsOfName(char letter) => char.IsAsciiLetterLower(letter) || char.IsAsciiDigit(letter) || letter == '-';

    // Servers write rules down in another form and order than they were given. So a selector that allows nothing names their hash.
    private static string Mark(UserPlan user) => $"~dora-rules:{Hash(string.Join('\n', user.Rules))[..16]}";

    private static async Task<string?> ListAsync(RedisAdmin admin, MemberPod member, CancellationToken cancellationToken)
    {
        if (member.Address is null)
            return null;
        var (list, _) = await admin.TryAsync(member, RedisPlan.Port, static async (client, token) =>
        {
            var lines = await client.SendAsync(token, "ACL", "LIST").ConfigureAwait(false);
            return string.Join('\n', (lines.Items ?? []).Select(line => line.Text));
        }, cancellationToken).ConfigureAwait(false);
        return list;
    }

    private static List<string> Rules(RedisUser user) =>
    [
        .. (user.Keys ?? []).Select(pattern => $"~{pattern}"),
        "resetchannels",
        .. (user.Channels ?? []).Select(pattern => $"&{pattern}"),
        "-@all", "+@connection", .. (user.Categories ?? ["read"]).Select(category => $"+@{category}"), "-@admin", "-@dangerous", "+cluster|slots", "+cluster|shards", "+cluster|nodes",
    ];

    private static bool IsPattern(string pattern) =>
        pattern.Length is > 0 and <= 128 && pattern.All(letter => letter is > ' ' and < '\x7f') && pattern.Count(letter => letter == '[') == pattern.Count(letter => letter == ']') && !pattern.EndsWith('\\');

    private static string Secret(EngineNames names, string user) => $"{names.Cluster}-user-{user}";

    private static string? Password(EngineTarget target, UserPlan user) =>
        target.Secrets.GetValueOrDefault(user.Secret)?.ContainsKey("password") == true ? target.Credential(user.Secret, "password") : null;

    private static bool Takes(string[] line, IReadOnlyList<string> hashes) => line.Where(word => word.StartsWith('#')).ToHashSet(StringComparer.Ordinal).SetEquals(hashes);

    internal static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
