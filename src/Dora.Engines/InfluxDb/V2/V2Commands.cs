namespace Dora.Engines.InfluxDb.V2;

/// <summary>What the operator says to 2.x servers. Saying it twice changes nothing.</summary>
internal static class V2Commands
{
    private const string Authorizations = "api/v2/authorizations";

    public static Task ExecuteAsync(InfluxDbPlan plan, EngineCommand command, EngineTarget target, CancellationToken cancellationToken)
    {
        var session = new V2Session(plan, target, cancellationToken);
        var subject = command.Subject.Split('/');
        return command.Name switch
        {
            InfluxDbNeeds.CreateBucket or InfluxDbNeeds.UpdateBucket => BucketAsync(session, subject[0], plan.Databases.First(database => database.Name == subject[1])),
            InfluxDbNeeds.IssueToken => IssueAsync(session, plan.Users.First(user => user.Name == subject[0])),
            InfluxDbNeeds.RevokeToken => RevokeAsync(session, subject[0]),
            InfluxDbNeeds.RemoveTask => RemoveTaskAsync(session, subject[1]),
            InfluxDbNeeds.SetTask => TaskAsync(session, plan.Downsampling.First(wanted => wanted.Name == subject[0])),
            InfluxDbNeeds.ConnectReplica => ConnectAsync(session),
            InfluxDbNeeds.SetReplication => StreamAsync(session, plan.Databases.First(database => database.Name == subject[0])),
            InfluxDbNeeds.RemoveReplication => DisconnectAsync(session),
            _ => throw new ArgumentException($"InfluxDB 2.x knows no command {command.Name}", nameof(command)),
        };
    }

    private static async Task BucketAsync(V2Session session, string pod, DatabasePlan wanted)
    {
        var (client, state) = await session.OpenAsync(pod).ConfigureAwait(false);
        V2RetentionRule[] rules = [new("expire", wanted.Policies[0].Retention, wanted.Policies[0].Shard)];
        if (state.Bucket(wanted.Name) is { } bucket)
            await client.PatchAsync($"api/v2/buckets/{Escape(bucket.Id)}", new V2BucketUpdate(rules), V2Json.Default.V2BucketUpdate, session.Token).ConfigureAwait(false);
        else
            await client.PostAsync("api/v2/buckets", new V2Bucket(null, state.Org, wanted.Name, rules), V2Json.Default.V2Bucket, session.Token).ConfigureAwait(false);
    }

    // The Secret gets the new token before the old ones go: a failure between leaves a token that works.
    private static async Task IssueAsync(V2Session session, UserPlan user)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        // The probe that asked for this may be older than the Secret: a token that works is not replaced.
        if (state.Right(user.Name, state.Permissions(user.Read, user.Write)) is not null
            && !await V2Probe.IsRefusedAsync(session.Plan, session.Target, session.Target.Members.First(member => member.Ordinal == 0), user, session.Token).ConfigureAwait(false))
            return;
        var permissions = state.Permissions(user.Read, user.Write) ?? throw new InfluxException(InfluxFault.NotFound, $"a bucket of user '{user.Name}' does not exist yet");
        var keep = session.Target.Keep ?? throw new InvalidOperationException("nobody keeps what the server issues");
        var issued = await IssueAsync(session, client, state, user.Name, permissions).ConfigureAwait(false);
        await keep(user.Secret, InfluxDbCredentials.Token, issued.Token!, session.Token).ConfigureAwait(false);
        await ForgetAsync(session, client, state.Issued(user.Name)).ConfigureAwait(false);
    }

    private static async Task<V2Authorization> IssueAsync(V2Session session, V2Client client, V2State state, string user, IReadOnlyList<V2Permission> permissions)
    {
        var owner = state.User(user) ?? await client.PostAsync("api/v2/users", new V2User(null, user), V2Json.Default.V2User, session.Token).ConfigureAwait(false);
        var issued = await client.PostAsync(Authorizations, new V2Authorization(null, state.Org, owner.Id, V2State.Mark + user, permissions), V2Json.Default.V2Authorization, session.Token).ConfigureAwait(false);
        return string.IsNullOrEmpty(issued.Token) || string.IsNullOrEmpty(issued.Id) ? throw new InfluxException(InfluxFault.Malformed, $"the server issued no token for '{user}'") : issued;
    }

    private static async Task ForgetAsync(V2Session session, V2Client client, IEnumerable<V2Authorization> old)
    {
        foreach (var authorization in old)
            await client.DeleteAsync($"{Authorizations}/{Escape(authorization.Id)}", session.Token).ConfigureAwait(false);
    }

    private static async Task RevokeAsync(V2Session session, string user)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        await ForgetAsync(session, client, state.Issued(user)).ConfigureAwait(false);
    }

    private static async Task RemoveTaskAsync(V2Session session, string id)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        if (state.Tasks.Any(task => task.Id == id && task.Flux.StartsWith(FluxTask.Mark, StringComparison.Ordinal)))
            await client.DeleteAsync($"api/v2/tasks/{Escape(id)}", session.Token).ConfigureAwait(false);
    }

    private static async Task TaskAsync(V2Session session, DownsamplingPlan wanted)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        var flux = FluxTask.Text(wanted, session.Plan.Organization);
        var existing = state.Tasks.Where(task => task.Name == wanted.Name).ToArray();
        if (existing.Length == 0)
            await client.PostAsync("api/v2/tasks", new V2Task(null, state.Org, flux), V2Json.Default.V2Task, session.Token).ConfigureAwait(false);
        else
            await client.PatchAsync($"api/v2/tasks/{Escape(existing[0].Id)}", new V2TaskUpdate(flux, "active"), V2Json.Default.V2TaskUpdate, session.Token).ConfigureAwait(false);
        // Names of tasks are not unique: two of one name would write every point twice.
        foreach (var twin in existing.Skip(1))
            await client.DeleteAsync($"api/v2/tasks/{Escape(twin.Id)}", session.Token).ConfigureAwait(false);
    }

    // The second server issues a token, the first one gets it; nobody else ever sees it.
    private static async Task ConnectAsync(V2Session session)
    {
        var (first, state) = await session.OpenAsync(0).ConfigureAwait(false);
        var (second, other) = await session.OpenAsync(1).ConfigureAwait(false);
        var rights = V2Streams.Rights(session.Plan, other) ?? throw new InfluxException(InfluxFault.NotFound, "the second server lacks a bucket yet");
        var issued = await IssueAsync(session, second, other, V2State.Replication, rights).ConfigureAwait(false);
        var remote = new V2Remote(null, state.Org, V2State.Mark + V2State.Replication, session.Plan.ReplicaUrl, other.Org, issued.Id, false, issued.Token);
        if (state.Remote is { } known)
            await first.PatchAsync($"api/v2/remotes/{Escape(known.Id)}", remote, V2Json.Default.V2Remote, session.Token).ConfigureAwait(false);
        else
            await first.PostAsync("api/v2/remotes", remote, V2Json.Default.V2Remote, session.Token).ConfigureAwait(false);
        await ForgetAsync(session, second, other.Issued(V2State.Replication)).ConfigureAwait(false);
    }

    private static async Task StreamAsync(V2Session session, DatabasePlan database)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        var (_, other) = await session.OpenAsync(1).ConfigureAwait(false);
        if (state.Remote?.Id is not { } remote || state.Bucket(database.Name)?.Id is not { } local || other.Bucket(database.Name)?.Id is not { } far)
            throw new InfluxException(InfluxFault.NotFound, $"the connection to the second server, or bucket '{database.Name}' on one of them, does not exist yet");
        var queue = V2Streams.Queue(session.Plan);
        var existing = V2Streams.Stream(session.Plan, state, database);
        if (existing is not null && existing.LocalBucketID == local)
        {
            await client.PatchAsync($"api/v2/replications/{Escape(existing.Id)}", new V2ReplicationUpdate(remote, far, queue), V2Json.Default.V2ReplicationUpdate, session.Token).ConfigureAwait(false);
            return;
        }

        // A stream cannot be moved to another local bucket.
        if (existing is not null)
            await client.DeleteAsync($"api/v2/replications/{Escape(existing.Id)}", session.Token).ConfigureAwait(false);
        await client.PostAsync("api/v2/replications", new V2Replication(null, state.Org, V2State.Mark + database.Name, remote, local, far, queue, V2Streams.MaxAge), V2Json.Default.V2Replication, session.Token).ConfigureAwait(false);
    }

    private static async Task DisconnectAsync(V2Session session)
    {
        var (client, state) = await session.OpenAsync(0).ConfigureAwait(false);
        if (state.Remote?.Id is not { } remote)
            return;
        foreach (var stream in state.Replications.Where(stream => stream.RemoteID == remote))
            await client.DeleteAsync($"api/v2/replications/{Escape(stream.Id)}", session.Token).ConfigureAwait(false);
        await client.DeleteAsync($"api/v2/remotes/{Escape(remote)}", session.Token).ConfigureAwait(false);
    }

    private static string Escape(string? id) => Uri.EscapeDataString(id ?? throw new InfluxException(InfluxFault.Malformed, "the server gave an object no ID"));
}

/// <summary>The servers that a command speaks to; each command asks anew, since the probe is older.</summary>
internal sealed record V2Session(InfluxDbPlan Plan, EngineTarget Target, CancellationToken Token)
{
    public Task<(V2Client Client, V2State State)> OpenAsync(int ordinal) => OpenAsync(Target.Members.FirstOrDefault(member => member.Ordinal == ordinal), $"number {ordinal}");

    public Task<(V2Client Client, V2State State)> OpenAsync(string pod) => OpenAsync(Target.Members.FirstOrDefault(member => member.Name == pod), pod);

    private async Task<(V2Client Client, V2State State)> OpenAsync(MemberPod? member, string name)
    {
        var client = V2Probe.Admin(Plan, Target, member ?? throw new InfluxException(InfluxFault.Unreachable, $"server {name} does not exist"));
        return (client, await V2State.ReadAsync(client, Plan.Organization, Token).ConfigureAwait(false));
    }
}
