using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Engines.InfluxDb.V2;

/// <summary>InfluxDB 2.x over HTTP (InfluxDB 2.7 documentation, "InfluxDB v2 API"), with one token.</summary>
internal sealed class V2Client(InfluxHttp http)
{
    private const int Page = 100;

    // A server that answers full pages for ever is not believed.
    private const int MostPages = 50;

    private static readonly MediaTypeHeaderValue Json = new("application/json");

    /// <summary>Whether anybody may still claim the server.</summary>
    public async Task<bool> SetupAllowedAsync(CancellationToken cancellationToken) =>
        (await GetAsync("api/v2/setup", V2Json.Default.V2Setup, cancellationToken).ConfigureAwait(false)).Allowed;

    /// <summary>Version of the server, or null.</summary>
    public async Task<string?> VersionAsync(CancellationToken cancellationToken)
    {
        var version = (await GetAsync("health", V2Json.Default.V2Health, cancellationToken).ConfigureAwait(false)).Version;
        return version is { Length: > 0 and <= 64 } ? version.TrimStart('v') : null;
    }

    /// <summary>An authenticated question that any token may ask.</summary>
    public Task AuthenticateAsync(CancellationToken cancellationToken) => GetAsync("api/v2/buckets?limit=1", V2Json.Default.V2Buckets, cancellationToken);

    /// <summary>Begins a session as the user of this client. Nobody keeps its cookie; it ends by itself.</summary>
    public Task SignInAsync(CancellationToken cancellationToken) => SendAsync<object, object>(HttpMethod.Post, "api/v2/signin", null, null, null, cancellationToken);

    /// <summary>Gives a user another password.</summary>
    public Task SetPasswordAsync(V2User user, string password, CancellationToken cancellationToken) =>
        SendAsync<object, V2Password>(HttpMethod.Post, $"api/v2/users/{Id(user.Id)}/password", new(password), V2Json.Default.V2Password, null, cancellationToken);

    /// <summary>Has a user own an organisation, if it does not yet: then it may do everything there.</summary>
    public async Task SetOwnerAsync(V2Org org, V2User user, CancellationToken cancellationToken)
    {
        var owners = await GetAsync($"api/v2/orgs/{Id(org.Id)}/owners", V2Json.Default.V2Users, cancellationToken).ConfigureAwait(false);
        if (!Whole(owners.Users).Any(owner => owner.Id == user.Id))
            await SendAsync<object, V2Member>(HttpMethod.Post, $"api/v2/orgs/{Id(org.Id)}/owners", new(user.Id!), V2Json.Default.V2Member, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The organisation of that name, or null.</summary>
    public async Task<V2Org?> OrganizationAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var found = await GetAsync($"api/v2/orgs?org={Uri.EscapeDataString(name)}", V2Json.Default.V2Orgs, cancellationToken).ConfigureAwait(false);
            return Whole(found.Orgs).FirstOrDefault(org => org.Name == name);
        }
        catch (InfluxException exception) when (exception.Fault == InfluxFault.NotFound)
        {
            return null;
        }
    }

    public Task<List<V2Bucket>> BucketsAsync(string org, CancellationToken cancellationToken) =>
        PagesAsync(offset => $"api/v2/buckets?orgID={Uri.EscapeDataString(org)}&limit={Page}&offset={offset}", V2Json.Default.V2Buckets, page => page.Buckets, cancellationToken);

    public Task<List<V2User>> UsersAsync(CancellationToken cancellationToken) =>
        PagesAsync(offset => $"api/v2/users?limit={Page}&offset={offset}", V2Json.Default.V2Users, page => page.Users, cancellationToken);

    public async Task<IReadOnlyList<V2Authorization>> AuthorizationsAsync(string org, CancellationToken cancellationToken)
    {
        var page = await GetAsync($"api/v2/authorizations?orgID={Uri.EscapeDataString(org)}", V2Json.Default.V2Authorizations, cancellationToken).ConfigureAwait(false);
        var all = Whole(page.Authorizations);
        foreach (var authorization in all)
            Whole(authorization.Permissions);
        return all;
    }

    /// <summary>Tasks are paged by the last one seen.</summary>
    public async Task<List<V2Task>> TasksAsync(string org, CancellationToken cancellationToken)
    {
        var all = new List<V2Task>();
        for (var pages = 0; pages < MostPages; pages++)
        {
            var after = all.Count == 0 ? "" : $"&after={Uri.EscapeDataString(all[^1].Id ?? "")}";
            var tasks = (await GetAsync($"api/v2/tasks?orgID={Uri.EscapeDataString(org)}&limit={Page}{after}", V2Json.Default.V2Tasks, cancellationToken).ConfigureAwait(false)).Tasks;
            var page = Whole(tasks);
            all.AddRange(page);
            if (page.Count < Page)
                return all;
        }

        throw TooMany();
    }

    public async Task<IReadOnlyList<V2Remote>> RemotesAsync(string org, CancellationToken cancellationToken) =>
        Whole((await GetAsync($"api/v2/remotes?orgID={Uri.EscapeDataString(org)}", V2Json.Default.V2Remotes, cancellationToken).ConfigureAwait(false)).Remotes);

    public async Task<IReadOnlyList<V2Replication>> ReplicationsAsync(string org, CancellationToken cancellationToken) =>
        Whole((await GetAsync($"api/v2/replications?orgID={Uri.EscapeDataString(org)}", V2Json.Default.V2Replications, cancellationToken).ConfigureAwait(false)).Replications);

    public Task<T> GetAsync<T>(string target, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class => SendAsync<T, object>(HttpMethod.Get, target, null, null, type, cancellationToken)!;

    public Task<T> PostAsync<T>(string target, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class => SendAsync(HttpMethod.Post, target, body, type, type, cancellationToken)!;

    public Task PatchAsync<T>(string target, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class => SendAsync<T, T>(HttpMethod.Patch, target, body, type, null, cancellationToken);

    /// <summary>Deletes; what is not there is deleted.</summary>
    public async Task DeleteAsync(string target, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync<object, object>(HttpMethod.Delete, target, null, null, null, cancellationToken).ConfigureAwait(false);
        }
        catch (InfluxException exception) when (exception.Fault == InfluxFault.NotFound)
        {
            // Gone already.
        }
    }

    private async Task<List<TItem>> PagesAsync<TPage, TItem>(Func<string, string> target, JsonTypeInfo<TPage> type, Func<TPage, IReadOnlyList<TItem>?> items, CancellationToken cancellationToken)
        where TPage : class
    {
        var all = new List<TItem>();
        for (var pages = 0; pages < MostPages; pages++)
        {
            var page = Whole(items(await GetAsync(target(all.Count.ToString(CultureInfo.InvariantCulture)), type, cancellationToken).ConfigureAwait(false)));
            all.AddRange(page);
            if (page.Count < Page)
                return all;
        }

        throw TooMany();
    }

    // The bodies hold tokens: what a server says about one is not repeated.
    private async Task<TReply?> SendAsync<TReply, TBody>(HttpMethod method, string target, TBody? body, JsonTypeInfo<TBody>? bodyType, JsonTypeInfo<TReply>? replyType, CancellationToken cancellationToken)
        where TReply : class
    {
        using var content = bodyType is null ? null : new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body!, bodyType)) { Headers = { ContentType = Json } };
        var reply = await http.SendAsync(method, target, content, cancellationToken).ConfigureAwait(false);
        if (!reply.IsSuccess)
        {
            var error = TryParse(reply.Body, V2Json.Default.V2Error);
            throw InfluxHttp.Failure(reply, error?.Code, error?.Message ?? "no reason given", (body as V2Remote)?.RemoteAPIToken ?? (body as V2Password)?.Password);
        }

        return replyType is null ? null : TryParse(reply.Body, replyType) ?? throw new InfluxException(InfluxFault.Malformed, $"the reply to {method} {target.Split('?')[0]} is not as documented");
    }

    private static string Id(string? id) => Uri.EscapeDataString(id ?? throw new InfluxException(InfluxFault.Malformed, "the server gave an object no ID"));

    private static T? TryParse<T>(byte[] body, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(body, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // JSON may hold null where an object belongs, which the contract of a list does not forbid.
    private static IReadOnlyList<T> Whole<T>(IReadOnlyList<T>? list) =>
        list is null ? [] : list.All(item => item is not null) ? list : throw new InfluxException(InfluxFault.Malformed, "a list in a reply holds null");

    private static InfluxException TooMany() => new(InfluxFault.Malformed, $"the server lists more than {MostPages * Page} objects");
}
