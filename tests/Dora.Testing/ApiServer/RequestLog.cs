using System.Collections.Immutable;

namespace Dora.Testing.ApiServer;

/// <summary>A request as the server understood it.</summary>
/// <param name="Verb">As RBAC names it: get, list, watch, create, update, patch, delete, deletecollection.</param>
/// <param name="Resource">Plural and group, e.g. <c>statefulsets.apps</c>; a path for what is no resource.</param>
/// <param name="Namespace">Null for cluster-scoped resources and all namespaces.</param>
/// <param name="Name">Null for collections.</param>
/// <param name="Subresource">E.g. <c>status</c>.</param>
public sealed record ApiRequest(string Verb, string Resource, string? Namespace = null, string? Name = null, string? Subresource = null)
{
    /// <summary>apply, merge, json or strategic; null when this is no patch.</summary>
    public string? Patch { get; init; }

    /// <summary>Nothing is stored.</summary>
    public bool DryRun { get; init; }

    /// <summary>The query string, with its question mark.</summary>
    public string Query { get; init; } = "";

    /// <summary>The status code of the answer; 0 while there is none.</summary>
    public int Code { get; init; }

    /// <summary>Whether it would change something.</summary>
    public bool IsWrite => !DryRun && (Verb is "create" or "update" or "patch" or "delete" or "deletecollection");
}

/// <summary>Every answered request, in the order of the answers; a watch counts when it begins.</summary>
public sealed class RequestLog
{
    private ImmutableList<ApiRequest> requests = [];
    private TaskCompletionSource next = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>All requests so far.</summary>
    public IReadOnlyList<ApiRequest> All => Volatile.Read(ref requests);

    /// <summary>The requests that changed something, or tried to.</summary>
    public IReadOnlyList<ApiRequest> Writes => [.. All.Where(request => request.IsWrite)];

    /// <summary>How many there were of a kind.</summary>
    public int Count(string verb, string? resource = null) => All.Count(request => request.Verb == verb && (resource is null || request.Resource == resource));

    /// <summary>Forgets what was.</summary>
    public void Clear() => Interlocked.Exchange(ref requests, []);

    /// <summary>Waits until a request of this description has been answered, also in the past.</summary>
    public async Task<ApiRequest> WaitForAsync(Func<ApiRequest, bool> match, CancellationToken cancellationToken)
    {
        while (true)
        {
            var signal = Volatile.Read(ref next).Task;
            if (All.FirstOrDefault(match) is { } found)
                return found;
            await signal.WaitAsync(cancellationToken);
        }
    }

    internal void Add(ApiRequest request)
    {
        ImmutableInterlocked.Update(ref requests, (list, one) => list.Add(one), request);
        Interlocked.Exchange(ref next, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }
}
