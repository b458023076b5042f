using System.Net;
using System.Net.Http.Headers;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Engines.Postgres;

/// <summary>Patroni's REST API, as far as the operator speaks it (Patroni documentation, "REST API"; versions 3 and 4).</summary>
internal sealed class PatroniClient(PostgresPlan plan, EngineTarget target)
{
    private const int LargestReply = 1 << 20;

    /// <summary>State of one member, or null with the reason when it does not answer.</summary>
    public async Task<(PatroniMember? Member, string? Problem)> StateAsync(MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await GetAsync(member, "patroni", cancellationToken).ConfigureAwait(false);
            return (PatroniMember.Parse(await BodyAsync(response, cancellationToken).ConfigureAwait(false)), null);
        }
        catch (Exception exception) when (IsNoAnswer(exception, cancellationToken))
        {
            return (null, exception switch
            {
                OperationCanceledException => "Patroni did not answer in time",
                HttpRequestException { InnerException: AuthenticationException } => "its certificate is not the one expected, or it speaks no TLS",
                _ => "Patroni does not answer",
            });
        }
    }

    /// <summary>The dynamic configuration that all members share.</summary>
    public async Task<JsonObject?> ConfigurationAsync(MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await GetAsync(member, "config", cancellationToken).ConfigureAwait(false);
            return response.IsSuccessStatusCode ? await BodyAsync(response, cancellationToken).ConfigureAwait(false) as JsonObject : null;
        }
        catch (Exception exception) when (IsNoAnswer(exception, cancellationToken))
        {
            return null;
        }
    }

    /// <summary>Merges into the dynamic configuration; null deletes a key.</summary>
    public Task PatchConfigurationAsync(MemberPod member, JsonObject patch, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Patch, member, "config", patch, cancellationToken);

    /// <summary>A planned move of the leader; returns when it is done. A candidate that may lose data is refused by Patroni (412).</summary>
    public Task SwitchoverAsync(MemberPod member, string leader, string candidate, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, member, "switchover", new JsonObject { ["leader"] = leader, ["candidate"] = candidate }, cancellationToken);

    /// <summary>Restarts the server of one member in place, if it has settings that wait for it (else Patroni answers 503).</summary>
    public Task RestartAsync(MemberPod member, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, member, "restart", new JsonObject { ["restart_pending"] = true }, cancellationToken);

    /// <summary>Has a member read its file and its certificate again, and PostgreSQL too; it restarts nothing.</summary>
    public Task ReloadAsync(MemberPod member, CancellationToken cancellationToken) =>
        SendAsync(HttpMethod.Post, member, "reload", [], cancellationToken);

    /// <summary>
    /// What each member says to a password. It is asked to change nothing in its configuration, which it refuses as such (400), but to
    /// nobody that it does not know (401).
    /// </summary>
    public Task<IReadOnlyList<LoginFinding>> LogInAsync(Login login, CancellationToken cancellationToken) => MemberPoll.AskAsync<LoginFinding>(target.Members, async (member, token) =>
    {
        try
        {
            using var response = await SendAsync(HttpMethod.Patch, member, "config", [], [login], token).ConfigureAwait(false);
            return new(member.Name, response.StatusCode switch
            {
                HttpStatusCode.Unauthorized => LoginAnswer.Refused,
                HttpStatusCode.BadRequest => LoginAnswer.Accepted,
                _ => LoginAnswer.Unknown,
            });
        }
        catch (Exception exception) when (IsNoAnswer(exception, token) || exception is OperationCanceledException)
        {
            return new(member.Name, LoginAnswer.Unknown);
        }
    }, TimeProvider.System, cancellationToken);

    /// <summary>
    /// Has a replica throw away its data and copy the leader's. False while it is busy with something else: what it does, such as
    /// pg_rewind, is not cut short. On the leader, and without one, Patroni refuses.
    /// </summary>
    public async Task<bool> ReinitializeAsync(MemberPod member, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(HttpMethod.Post, member, "reinitialize", [], cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (HttpRequestException exception) when (exception.StatusCode == HttpStatusCode.ServiceUnavailable && exception.Message.Contains("already in progress", StringComparison.Ordinal))
        {
            return false;
        }
    }

    private async Task SendAsync(HttpMethod method, MemberPod member, string path, JsonObject body, CancellationToken cancellationToken)
    {
        using var response = await SendAsync(method, member, path, body, target.Logins(PostgresOwnLogins.Rest(plan)), cancellationToken).ConfigureAwait(false);
        if (!response.IsSuccessStatusCode)
        {
            var answer = await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false);
            throw new HttpRequestException($"Patroni refused {method} /{path} with {(int)response.StatusCode}: {answer[..Math.Min(answer.Length, 300)]}", null, response.StatusCode);
        }
    }

    // Comes with another password where one is refused: Patroni knows one, and takes up the next one on its own turn, between two tries too.
    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, MemberPod member, string path, JsonObject body, IReadOnlyList<Login> logins, CancellationToken cancellationToken)
    {
        List<Login> tries = [.. logins, .. logins.Count > 1 ? [logins[0]] : Array.Empty<Login>()];
        for (var tried = 0; tried < tries.Count; tried++)
        {
            var login = tries[tried];
            using var request = Request(method, member, path);
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{login.Username}:{login.Password}")));
            var response = await Http(member).SendAsync(request, cancellationToken).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.Unauthorized || tried == tries.Count - 1)
                return response;
            response.Dispose();
        }

        throw new InvalidOperationException("there is no password for Patroni");
    }

    private async Task<HttpResponseMessage> GetAsync(MemberPod member, string path, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Get, member, path);
        return await Http(member).SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    private HttpClient Http(MemberPod member) => PatroniHttp.To(member.Encrypted ? target.Trust(plan.Names.CertificateSecret) : null);

    private HttpRequestMessage Request(HttpMethod method, MemberPod member, string path) => PatroniHttp.Request(
        method,
        member.Address ?? throw new InvalidOperationException($"pod {member.Name} has no address"),
        member.Encrypted ? PostgresTls.Host(plan, member) : null,
        path);

    private static async Task<JsonNode?> BodyAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        await response.Content.LoadIntoBufferAsync(LargestReply, cancellationToken).ConfigureAwait(false);
        using var stream = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        return await JsonNode.ParseAsync(stream, cancellationToken: cancellationToken).ConfigureAwait(false);
    }

    private static bool IsNoAnswer(Exception exception, CancellationToken cancellationToken) =>
        exception is HttpRequestException or System.Text.Json.JsonException or IOException or FormatException or InvalidOperationException or CryptographicException
        || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested);
}

/// <summary>What <c>GET /patroni</c> says of a member.</summary>
/// <param name="Role">Primary for <c>master</c> (Patroni 3) and <c>primary</c> (Patroni 4).</param>
/// <param name="State"><c>running</c>; on replicas of Patroni 4 <c>streaming</c>.</param>
/// <param name="ServerVersion">e.g. 150018.</param>
/// <param name="Timeline">Current timeline.</param>
/// <param name="Position">Bytes written (primary) or replayed (replica).</param>
/// <param name="SynchronousStandbys">On the primary: connected standbys that a commit waits for.</param>
/// <param name="Synchronous">On a replica: whether a commit waits for it.</param>
/// <param name="PendingRestart">Whether it has settings that it takes up only when it restarts.</param>
/// <param name="QuorumStandbys">On the primary: those of <paramref name="SynchronousStandbys"/> of which any will do.</param>
/// <param name="Followers">On the primary: names of the members that stream from it.</param>
/// <param name="Received">On a replica: the position up to which it has WAL.</param>
/// <param name="Patroni">Version of Patroni.</param>
internal sealed record PatroniMember(
    MemberRole Role,
    string State,
    int? ServerVersion,
    int? Timeline,
    long? Position,
    int SynchronousStandbys,
    bool Synchronous = false,
    bool PendingRestart = false,
    int QuorumStandbys = 0,
    IReadOnlyList<string>? Followers = null,
    long? Received = null,
    Version? Patroni = null)
{
    /// <summary>From this version on Patroni knows <c>synchronous_mode: quorum</c>; an older one takes the word for "off".</summary>
    public static readonly Version KnowsQuorum = new(4, 0);

    public bool Running => State is "running" or "streaming";

    public static PatroniMember Parse(JsonNode? body)
    {
        var node = body as JsonObject ?? throw new FormatException("Patroni's answer is not an object");
        var role = (string?)node["role"] switch
        {
            "master" or "primary" or "standby_leader" => MemberRole.Primary,
            "replica" or "sync_standby" or "quorum_standby" => MemberRole.Replica,
            _ => MemberRole.Unknown,
        };
        var xlog = node["xlog"] as JsonObject;
        var position = xlog?["location"] ?? xlog?["replayed_location"];
        var standbys = node["replication"] as JsonArray ?? [];
        return new(
            role,
            (string?)node["state"] ?? "unknown",
            (int?)node["server_version"],
            (int?)node["timeline"],
            (long?)position,
            standbys.Count(standby => (string?)standby?["sync_state"] is "sync" or "quorum"),
            (bool?)node["sync_standby"] == true || (bool?)node["quorum_standby"] == true || (string?)node["role"] is "sync_standby" or "quorum_standby",
            (bool?)node["pending_restart"] == true,
            standbys.Count(standby => (string?)standby?["sync_state"] == "quorum"),
            [.. standbys.Where(standby => (string?)standby?["state"] == "streaming").Select(standby => (string?)standby?["application_name"] ?? "")],
            (long?)xlog?["received_location"],
            System.Version.TryParse((string?)node["patroni"]?["version"], out var version) ? version : null);
    }

    /// <summary>e.g. 150018 -> 15.18.</summary>
    public string? Version => ServerVersion is { } version ? $"{version / 10000}.{version % 10000}" : null;
}
