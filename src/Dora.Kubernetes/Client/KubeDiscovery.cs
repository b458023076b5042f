using System.Collections.Concurrent;
using System.Collections.Frozen;
using Dora.Kubernetes.Model;

namespace Dora.Kubernetes.Client;

/// <summary>Which kinds the server serves, remembered per group version: long if there is one, shortly if there is none.</summary>
internal sealed class KubeDiscovery(TimeProvider clock, Func<string, CancellationToken, Task<ApiResourceList?>> fetch)
{
    private static readonly TimeSpan _presentAge = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan _absentAge = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Known> _known = new(StringComparer.Ordinal);

    public async Task<bool> ServesAsync(KubeResource resource, CancellationToken cancellationToken)
    {
        var path = KubeRoute.GroupVersion(resource);
        if (_known.TryGetValue(path, out var known))
        {
            var serves = known.Plurals.Contains(resource.Plural);
            if (clock.GetElapsedTime(known.Since) < (serves ? _presentAge : _absentAge))
                return serves;
        }

        var since = clock.GetTimestamp();
        var found = await fetch(path, cancellationToken);
        var plurals = (found?.Resources ?? []).Select(served => served.Name).ToFrozenSet(StringComparer.Ordinal);
        _known[path] = new(since, plurals);
        return plurals.Contains(resource.Plural);
    }

    /// <summary>The server just said that it does not know the kind.</summary>
    public void Forget(KubeResource resource) => _known.TryRemove(KubeRoute.GroupVersion(resource), out _);

    private sealed record Known(long Since, FrozenSet<string> Plurals);
}
