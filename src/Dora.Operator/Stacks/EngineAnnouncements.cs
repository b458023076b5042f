using System.Collections.Concurrent;
using Dora.Engines;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Stacks;

/// <summary>
/// Listens to members that announce what no Kubernetes object shows, and has their stack looked at at once. One connection per
/// member; one that ends is opened again by the next pass, and probes find out the same a little later.
/// </summary>
public sealed partial class EngineAnnouncements(Action<ObjectKey> announced, ILogger<EngineAnnouncements> logger) : IDisposable
{
    private readonly ConcurrentDictionary<ObjectKey, Dictionary<string, Listener>> _listeners = new();

    private sealed record Listener(CancellationTokenSource Stop, Task Task);

    /// <summary>Listens to the members of a stack as they are now. Called by one pass over a stack at a time.</summary>
    public void Follow(ObjectKey key, StackPlan plan, StackObservation observed)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(observed);
        var listeners = _listeners.GetOrAdd(key, _ => new(StringComparer.Ordinal));
        var wanted = new HashSet<string>(StringComparer.Ordinal);
        foreach (var engine in plan.Engines.Where(engine => engine.Cluster.Announces))
        {
            var target = EngineTargets.Of(engine, observed);
            if (engine.Cluster.Credentials().Any(request => !target.Secrets.ContainsKey(request.SecretName)))
                continue;
            foreach (var member in target.Members.Where(member => member is { Ready: true, Address: not null, Uid: not null }))
            {
                wanted.Add(member.Uid!);
                if (!listeners.TryGetValue(member.Uid!, out var known) || known.Task.IsCompleted)
                    listeners[member.Uid!] = Start(key, engine.Cluster, member, target, known);
            }
        }

        foreach (var gone in listeners.Keys.Where(uid => !wanted.Contains(uid)).ToList())
        {
            End(listeners[gone]);
            listeners.Remove(gone);
        }
    }

    /// <summary>Stops listening to a stack that is gone.</summary>
    public void Forget(ObjectKey key)
    {
        if (!_listeners.TryRemove(key, out var listeners))
            return;
        foreach (var listener in listeners.Values)
            End(listener);
    }

    /// <summary>Stops listening to all, e.g. while another process leads.</summary>
    public void Clear()
    {
        foreach (var key in _listeners.Keys)
            Forget(key);
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();

    private Listener Start(ObjectKey key, IEngineCluster cluster, MemberPod member, EngineTarget target, Listener? before)
    {
        before?.Stop.Dispose();
        var stop = new CancellationTokenSource();
        return new(stop, ListenAsync(key, cluster, member, target, stop.Token));
    }

    private async Task ListenAsync(ObjectKey key, IEngineCluster cluster, MemberPod member, EngineTarget target, CancellationToken cancellationToken)
    {
        try
        {
            await cluster.ListenAsync(member, target, () => announced(key), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            if (!cancellationToken.IsCancellationRequested)
                LogEnded(logger, key, member.Name, exception.GetType().Name);
        }
    }

    private static void End(Listener listener)
    {
        listener.Stop.Cancel();
        listener.Stop.Dispose();
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Stack}: {Pod} announces no more: {Type}")]
    private static partial void LogEnded(ILogger logger, ObjectKey stack, string pod, string type);
}
