using Dora.Api;

namespace Dora.Operator.Credentials;

/// <summary>What is known of one stack's passwords in Vault.</summary>
internal sealed class WatchedPasswords(string? uid, VaultSettings settings)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, VaultReading> _known = new(StringComparer.Ordinal);
    private Task? _refresh;
    private (long At, TimeSpan Pause)? _last;

    public string? Uid => uid;

    public VaultSettings Settings => settings;

    public Task Reading
    {
        get
        {
            lock (_lock)
                return _refresh ?? Task.CompletedTask;
        }
    }

    public VaultReading? Of(VaultPlace place)
    {
        lock (_lock)
            return _known.GetValueOrDefault(Key(place));
    }

    public bool Knows(IReadOnlyList<VaultPlace> places)
    {
        lock (_lock)
            return places.All(place => _known.ContainsKey(Key(place)));
    }

    public void Learn(VaultPlace place, VaultReading? reading)
    {
        lock (_lock)
        {
            if (reading is null)
                _known.Remove(Key(place));
            else
                _known[Key(place)] = reading;
        }
    }

    public void Ended(TimeProvider clock, bool failed)
    {
        lock (_lock)
            _last = (clock.GetTimestamp(), failed ? AfterFailure : Interval);
    }

    /// <summary>The reading under way, after one was begun if it is due; null when there is none.</summary>
    public Task? Start(IReadOnlyList<VaultPlace> places, TimeProvider clock, Func<Task> refresh)
    {
        lock (_lock)
        {
            if (_refresh is { IsCompleted: false })
                return _refresh;
            var due = _last is not { } last || clock.GetElapsedTime(last.At) >= last.Pause || places.Any(place => !_known.ContainsKey(Key(place)));
            return _refresh = due && places.Count > 0 ? Task.Run(refresh) : null;
        }
    }

    private static string Key(VaultPlace place) => $"{place.Engine}/{place.Request.SecretName}";
}
