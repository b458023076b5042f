using System.Globalization;

namespace Dora.Engines.InfluxDb;

/// <summary>The Secrets: passwords are generated; tokens of 2.x are issued by the server and put there by a command.</summary>
internal static class InfluxDbCredentials
{
    public const string AdminPassword = "admin-password";
    public const string AdminToken = "admin-token";
    public const string AdminUsername = "admin-username";
    public const string MonitorPassword = "monitor-password";
    public const string MonitorUsername = "monitor-username";
    public const string JwtSecret = "jwt-secret";
    public const string Password = "password";
    public const string Token = "token";

    public static IReadOnlyList<CredentialRequest> Of(InfluxDbPlan plan) =>
    [
        new(plan.Names.InternalSecret, plan.IsV2
            ? [new(AdminPassword), new(AdminToken), new(AdminUsername, InfluxDbPlan.AdminUser)]
            // Without a secret, some versions of 1.x take a JWT that anybody signed with the empty one (CVE-2019-20933).
            : [new(AdminPassword), new(MonitorPassword), new(JwtSecret), new(AdminUsername, InfluxDbPlan.AdminUser), new(MonitorUsername, InfluxDbPlan.MonitorUser)]),
        .. plan.KeptUsers.Select(user => new CredentialRequest(user.Secret, plan.IsV2 ? TokenFields(plan, user) : PasswordFields(plan, user), Renewable: true)),
    ];

    /// <summary>The Secret of a login that Vault gives.</summary>
    public static CredentialRequest Vault(InfluxDbPlan plan, string user) => new($"{plan.Names.Cluster}-vault-{user}", [new(Password), new("username", user), .. Address(plan)]);

    private static CredentialField[] PasswordFields(InfluxDbPlan plan, UserPlan user) =>
    [
        new(Password),
        new("username", user.Name),
        .. Address(plan),
        .. Database(user) is { } database ? [new CredentialField("database", database)] : Array.Empty<CredentialField>(),
    ];

    private static CredentialField[] TokenFields(InfluxDbPlan plan, UserPlan user) =>
    [
        new(Token, Issued: true),
        new("org", plan.Organization),
        .. Address(plan),
        .. Database(user) is { } bucket ? [new CredentialField("bucket", bucket)] : Array.Empty<CredentialField>(),
    ];

    private static CredentialField[] Address(InfluxDbPlan plan)
    {
        var host = plan.Names.Domain(plan.Names.Cluster);
        var port = InfluxDbPlan.HttpPort.ToString(CultureInfo.InvariantCulture);
        return [new("host", host), new("port", port), new("url", $"{plan.Scheme}://{host}:{port}")];
    }

    // What is written once must stay true: a declared user's databases may change, the application's own does not.
    private static string? Database(UserPlan user) => user.Name == InfluxDbPlan.AppUser ? InfluxDbPlan.AppDatabase : null;
}
