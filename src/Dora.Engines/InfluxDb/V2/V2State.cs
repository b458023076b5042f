namespace Dora.Engines.InfluxDb.V2;

/// <summary>What a 2.x server holds, as far as settings say something about it.</summary>
/// <param name="Version">e.g. 2.7.12.</param>
/// <param name="Org">ID of the organisation.</param>
/// <param name="Buckets">Its buckets.</param>
/// <param name="Users">All users.</param>
/// <param name="Authorizations">Its tokens.</param>
/// <param name="Tasks">Its tasks.</param>
/// <param name="Remotes">Servers it feeds.</param>
/// <param name="Replications">Streams to them.</param>
internal sealed record V2State(
    string? Version,
    string Org,
    IReadOnlyList<V2Bucket> Buckets,
    IReadOnlyList<V2User> Users,
    IReadOnlyList<V2Authorization> Authorizations,
    IReadOnlyList<V2Task> Tasks,
    IReadOnlyList<V2Remote> Remotes,
    IReadOnlyList<V2Replication> Replications)
{
    /// <summary>Marks what the operator made.</summary>
    public const string Mark = "dora-operator: ";

    /// <summary>Name of the connection to the second server, and of the user that writes there.</summary>
    public const string Replication = "replication";

    public static async Task<V2State> ReadAsync(V2Client client, string organization, CancellationToken cancellationToken)
    {
        if (await client.SetupAllowedAsync(cancellationToken).ConfigureAwait(false))
            throw new InfluxException(InfluxFault.Refused, "is not set up: anybody who reaches it may claim it; delete the pod, so that it is set up before it is reached");
        var org = await client.OrganizationAsync(organization, cancellationToken).ConfigureAwait(false)
            ?? throw new InfluxException(InfluxFault.NotFound, $"has no organisation '{organization}'");
        return new(
            await client.VersionAsync(cancellationToken).ConfigureAwait(false),
            org.Id,
            await client.BucketsAsync(org.Id, cancellationToken).ConfigureAwait(false),
            await client.UsersAsync(cancellationToken).ConfigureAwait(false),
            await client.AuthorizationsAsync(org.Id, cancellationToken).ConfigureAwait(false),
            await client.TasksAsync(org.Id, cancellationToken).ConfigureAwait(false),
            await client.RemotesAsync(org.Id, cancellationToken).ConfigureAwait(false),
            await client.ReplicationsAsync(org.Id, cancellationToken).ConfigureAwait(false));
    }

    public V2Bucket? Bucket(string name) => Buckets.FirstOrDefault(bucket => bucket.Name == name);

    public V2User? User(string name) => Users.FirstOrDefault(user => user.Name == name);

    public V2Remote? Remote => Remotes.FirstOrDefault(remote => remote.Name == Mark + Replication);

    /// <summary>Tokens that the operator had issued to a user, newest last.</summary>
    public IEnumerable<V2Authorization> Issued(string user) => Authorizations.Where(authorization => authorization.Description == Mark + user);

    /// <summary>The token that gives just these rights, if there is exactly one.</summary>
    public V2Authorization? Right(string user, IReadOnlyList<V2Permission>? permissions) =>
        permissions is not null && Issued(user).ToArray() is [{ Status: "active" } only] && Same(only.Permissions ?? [], permissions) ? only : null;

    /// <summary>The rights of a user on this server's buckets; null while one of them is missing.</summary>
    public IReadOnlyList<V2Permission>? Permissions(IEnumerable<string> read, IEnumerable<string> write)
    {
        var wanted = read.Select(bucket => ("read", Bucket(bucket)?.Id)).Concat(write.Select(bucket => ("write", Bucket(bucket)?.Id))).ToArray();
        return wanted.Any(right => right.Item2 is null) ? null : [.. wanted.Select(right => new V2Permission(right.Item1, new("buckets", right.Item2, Org)))];
    }

    private static bool Same(IReadOnlyList<V2Permission> held, IReadOnlyList<V2Permission> wanted) =>
        held.Select(Key).ToHashSet().SetEquals(wanted.Select(Key));

    private static (string, string, string?) Key(V2Permission permission) => (permission.Action, permission.Resource.Type, permission.Resource.Id);
}
