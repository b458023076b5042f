using System.Collections.Concurrent;
using System.Globalization;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;

namespace Dora.Operator.Stacks;

/// <summary>
/// What was written and may not be in the cache yet. Without it a pass that runs before the watch catches up would write the
/// same again.
/// </summary>
public sealed class WriteJournal(TimeProvider clock)
{
    // A watch that has not caught up after this long has other trouble; then writing again is right.
    private static readonly TimeSpan Memory = TimeSpan.FromSeconds(30);

    // What a person has to change first is not tried again at each pass.
    private static readonly TimeSpan RefusalMemory = TimeSpan.FromMinutes(10);

    private readonly ConcurrentDictionary<(ObjectKey Stack, ObjectId Id), Entry> _applied = new();
    private readonly ConcurrentDictionary<ObjectKey, (Entry Entry, ComplianceStackStatus Status, string? Uid)> _statuses = new();

    private readonly ConcurrentDictionary<(ObjectKey Stack, string Claim), (GrowthRefusal Refusal, long At)> _refusals = new();

    private readonly record struct Entry(string Hash, ulong Version, long At);

    /// <summary>An object was applied.</summary>
    public void Applied(ObjectKey stack, ObjectId id, string hash, string? version) =>
        _applied[(stack, id)] = new(hash, Number(version), clock.GetTimestamp());

    /// <summary>An object is gone: what was applied to it counts no more.</summary>
    public void Removed(ObjectKey stack, ObjectId id)
    {
        _applied.TryRemove((stack, id), out _);
        if (id.Resource == KubeTypes.PersistentVolumeClaims.Resource)
            _refusals.TryRemove((stack, id.Name), out _);
    }

    /// <summary>The API server refused to grow a claim.</summary>
    public void Refused(ObjectKey stack, string claim, GrowthRefusal refusal) => _refusals[(stack, claim)] = (refusal, clock.GetTimestamp());

    /// <summary>What was refused not long ago, by claim.</summary>
    public IReadOnlyDictionary<string, GrowthRefusal> Refusals(ObjectKey stack) => _refusals
        .Where(entry => entry.Key.Stack == stack && clock.GetElapsedTime(entry.Value.At) < RefusalMemory)
        .ToDictionary(entry => entry.Key.Claim, entry => entry.Value.Refusal, StringComparer.Ordinal);

    /// <summary>A status was written.</summary>
    public void Written(ObjectKey stack, string? uid, ComplianceStackStatus status, string? version) =>
        _statuses[stack] = (new("", Number(version), clock.GetTimestamp()), status, uid);

    /// <summary>The desired hash last applied, if the cache cannot have it yet.</summary>
    public string? Pending(ObjectKey stack, ObjectId id, string? cachedVersion)
    {
        if (!_applied.TryGetValue((stack, id), out var entry))
            return null;
        if (Fresh(entry, cachedVersion))
            return entry.Hash;
        _applied.TryRemove(new((stack, id), entry));
        return null;
    }

    /// <summary>Ids applied and not yet seen.</summary>
    public IEnumerable<ObjectId> Open(ObjectKey stack) => _applied.Keys.Where(key => key.Stack == stack).Select(key => key.Id);

    /// <summary>The stack with the newest status known.</summary>
    public ComplianceStack Newest(ObjectKey key, ComplianceStack cached)
    {
        ArgumentNullException.ThrowIfNull(cached);
        return _statuses.TryGetValue(key, out var last) && last.Uid == cached.Metadata.Uid && Fresh(last.Entry, cached.Metadata.ResourceVersion)
            ? cached with { Status = last.Status }
            : cached;
    }

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey stack)
    {
        _statuses.TryRemove(stack, out _);
        foreach (var key in _applied.Keys.Where(key => key.Stack == stack))
            _applied.TryRemove(key, out _);
        foreach (var key in _refusals.Keys.Where(key => key.Stack == stack))
            _refusals.TryRemove(key, out _);
    }

    // Resource versions of one resource grow (Kubernetes API concepts, "Resource versions": comparable since 1.35, and in fact
    // numbers of one etcd before).
    private bool Fresh(Entry entry, string? cachedVersion) =>
        Number(cachedVersion) < entry.Version && clock.GetElapsedTime(entry.At) < Memory;

    private static ulong Number(string? version) => ulong.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
