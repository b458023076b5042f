using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Microsoft.Extensions.Logging;

namespace Dora.Kubernetes.Runtime;

/// <summary>Which Lease to hold, and how.</summary>
/// <param name="Namespace">Namespace of the Lease.</param>
/// <param name="Name">Name of the Lease.</param>
/// <param name="Identity">Unique per process: two with the same identity would both lead.</param>
/// <param name="Duration">How long others wait after the last renewal they saw; null: 15 s.</param>
/// <param name="RenewDeadline">How long the leader tries to renew before it gives up; null: 10 s. Below <paramref name="Duration"/>.</param>
/// <param name="RetryPeriod">Between tries; null: 2 s.</param>
public sealed record LeaderLeaseOptions(
    string Namespace,
    string Name,
    string Identity,
    TimeSpan? Duration = null,
    TimeSpan? RenewDeadline = null,
    TimeSpan? RetryPeriod = null);

/// <summary>The lease could not be renewed in time, or another took it. Work was told to stop; the process should exit.</summary>
public sealed class LeadershipLostException : Exception
{
    internal LeadershipLostException(string message)
        : base(message)
    {
    }
}

/// <summary>
/// Leader election on a coordination.k8s.io Lease. Times written by others are never compared with the local clock: a holder
/// counts as gone when its record did not change for the lease's duration, measured here.
/// </summary>
public sealed partial class LeaderLease
{
    private readonly KubeClient _client;
    private readonly LeaderLeaseOptions _options;
    private readonly TimeProvider _clock;
    private readonly ILogger _logger;
    private readonly TimeSpan _duration;
    private readonly TimeSpan _renewDeadline;
    private readonly TimeSpan _retryPeriod;
    private Lease? _held;
    private LeaseSpec? _observed;
    private long _observedAt;
    private long _renewedAt;
    private volatile bool _leading;

    /// <summary>A candidate that begins once <see cref="RunAsync"/> is called.</summary>
    public LeaderLease(KubeClient client, LeaderLeaseOptions options, TimeProvider clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(options);
        _client = client;
        _options = options;
        _clock = clock;
        _logger = logger;
        _duration = options.Duration ?? TimeSpan.FromSeconds(15);
        _renewDeadline = options.RenewDeadline ?? TimeSpan.FromSeconds(10);
        _retryPeriod = options.RetryPeriod ?? TimeSpan.FromSeconds(2);
        if (_renewDeadline >= _duration || _retryPeriod >= _renewDeadline)
            throw new ArgumentException("RetryPeriod < RenewDeadline < Duration must hold", nameof(options));
    }

    private enum Attempt
    {
        Held,
        HeldByAnother,
        Again,
    }

    /// <summary>Whether this process leads, and its lease has not run out.</summary>
    public bool IsLeader => _leading && _clock.GetElapsedTime(Volatile.Read(ref _renewedAt)) < _duration;

    /// <summary>
    /// Waits for the lease, runs <paramref name="lead"/> while holding it, and releases it when that ends. The token of
    /// <paramref name="lead"/> is cancelled by <paramref name="cancellationToken"/>, and when leadership is lost.
    /// Returns when cancelled or when <paramref name="lead"/> returns.
    /// </summary>
    /// <exception cref="LeadershipLostException">Renewal failed for longer than the deadline, or another holds the lease.</exception>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(lead);
        try
        {
            await AcquireAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return;
        }

        LogAcquired(_options.Namespace, _options.Name, _options.Identity);
        using var leading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var renewing = new CancellationTokenSource();
        var work = Task.Run(() => lead(leading.Token), CancellationToken.None);
        var renewal = RenewAsync(renewing.Token);
        var lost = await Task.WhenAny(work, renewal) == renewal;
        try
        {
            if (lost)
                await StopAsync(work, leading, await renewal);
            else
                await work;
        }
        catch (OperationCanceledException) when (!lost && cancellationToken.IsCancellationRequested)
        {
            // The work ended as it was told to.
        }
        finally
        {
            await renewing.CancelAsync();
            await renewal;
            _leading = false;
            if (!lost)
                await ReleaseAsync();
        }
    }

    private async Task StopAsync(Task work, CancellationTokenSource leading, string reason)
    {
        _leading = false;
        await leading.CancelAsync();

        // Another may lead once the lease has run out; work that will not stop before is left to the end of the process.
        var grace = _duration - _renewDeadline;
        using var ended = new CancellationTokenSource();
        await Task.WhenAny(work, Task.Delay(grace, _clock, ended.Token));
        await ended.CancelAsync();
        _ = work.Exception;
        throw new LeadershipLostException($"Lost the lease {_options.Namespace}/{_options.Name}: {reason}");
    }

    private async Task AcquireAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                if (await TryHoldAsync(cancellationToken) == Attempt.Held)
                    return;
            }
            catch (Exception fault) when (fault is KubeException or KubeConfigException)
            {
                LogTryFailed(_options.Namespace, _options.Name, fault.Message);
            }

            await Task.Delay(_retryPeriod * (1 + (0.2 * _client.Jitter())), _clock, cancellationToken);
        }
    }

    /// <summary>Renews until cancelled, or until the lease counts as lost; then says why.</summary>
    private async Task<string> RenewAsync(CancellationToken cancellationToken)
    {
        var problem = "";
        while (true)
        {
            var left = _renewDeadline - _clock.GetElapsedTime(Volatile.Read(ref _renewedAt));
            if (left <= TimeSpan.Zero)
                return $"it could not be renewed within {_renewDeadline.TotalSeconds} s. {problem}".TrimEnd();
            try
            {
                await Task.Delay(left < _retryPeriod ? left : _retryPeriod, _clock, cancellationToken);
                left = _renewDeadline - _clock.GetElapsedTime(Volatile.Read(ref _renewedAt));
                using var deadline = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _clock);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
                if (await TryHoldAsync(either.Token) == Attempt.HeldByAnother)
                    return $"it is held by {_observed?.HolderIdentity}.";
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return "";
            }
            catch (OperationCanceledException)
            {
                problem = "The API server did not answer in time.";
            }
            catch (Exception fault) when (fault is KubeException or KubeConfigException)
            {
                problem = fault.Message;
                LogTryFailed(_options.Namespace, _options.Name, fault.Message);
            }
        }
    }

    /// <summary>One try to get or renew the lease.</summary>
    private async Task<Attempt> TryHoldAsync(CancellationToken cancellationToken)
    {
        var started = _clock.GetTimestamp();
        if (_held is { } held)
        {
            try
            {
                return Holding(await WriteAsync(held, cancellationToken), started);
            }
            catch (Exception fault) when (fault is KubeConflictException or KubeNotFoundException)
            {
                // Somebody touched it: read it and decide anew.
                _held = null;
            }
        }

        var lease = await _client.FindAsync(KubeTypes.Leases, _options.Namespace, _options.Name, cancellationToken);
        try
        {
            if (lease is null)
            {
                var fresh = new Lease(new(_options.Name, _options.Namespace), Renewed(null));
                return Holding(await _client.CreateAsync(KubeTypes.Leases, fresh, cancellationToken), started);
            }

            return HeldByAnother(lease) ? Attempt.HeldByAnother : Holding(await WriteAsync(lease, cancellationToken), started);
        }
        catch (Exception fault) when (fault is KubeConflictException or KubeAlreadyExistsException or KubeNotFoundException { ObjectMissing: true })
        {
            return Attempt.Again;
        }
    }

    private bool HeldByAnother(Lease lease)
    {
        var spec = lease.Spec ?? new();
        if (spec != _observed)
        {
            _observed = spec;
            _observedAt = _clock.GetTimestamp();
        }

        if (string.IsNullOrEmpty(spec.HolderIdentity) || string.Equals(spec.HolderIdentity, _options.Identity, StringComparison.Ordinal))
            return false;
        var duration = TimeSpan.FromSeconds(spec.LeaseDurationSeconds ?? _duration.TotalSeconds);
        return _clock.GetElapsedTime(_observedAt) < duration;
    }

    private Attempt Holding(Lease lease, long started)
    {
        _held = lease;

        // Counted from before the request: others may have seen the renewal that early.
        Volatile.Write(ref _renewedAt, started);
        _leading = true;
        return Attempt.Held;
    }

    private Task<Lease> WriteAsync(Lease lease, CancellationToken cancellationToken) =>
        _client.UpdateAsync(KubeTypes.Leases, lease with { Spec = Renewed(lease.Spec) }, cancellationToken);

    private LeaseSpec Renewed(LeaseSpec? old)
    {
        var now = _clock.GetUtcNow();
        var same = string.Equals(old?.HolderIdentity, _options.Identity, StringComparison.Ordinal);
        return new(
            _options.Identity,
            (int)Math.Ceiling(_duration.TotalSeconds),
            same ? old?.AcquireTime ?? now : now,
            now,
            same || old is null ? old?.LeaseTransitions ?? 0 : (old.LeaseTransitions ?? 0) + 1);
    }

    /// <summary>Lets the next candidate begin at once. Failing that, it begins when the lease has run out.</summary>
    private async Task ReleaseAsync()
    {
        if (_held is not { } held)
            return;
        var now = _clock.GetUtcNow();
        var released = held with { Spec = held.Spec! with { HolderIdentity = "", LeaseDurationSeconds = 1, AcquireTime = now, RenewTime = now } };
        using var deadline = new CancellationTokenSource(_retryPeriod, _clock);
        try
        {
            await _client.UpdateAsync(KubeTypes.Leases, released, deadline.Token);
            LogReleased(_options.Namespace, _options.Name);
        }
        catch (Exception fault) when (fault is KubeException or KubeConfigException or OperationCanceledException)
        {
            LogTryFailed(_options.Namespace, _options.Name, fault.Message);
        }

        _held = null;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Lease {Namespace}/{Name} is held by us, {Identity}.")]
    private partial void LogAcquired(string @namespace, string name, string identity);

    [LoggerMessage(Level = LogLevel.Information, Message = "Lease {Namespace}/{Name} released.")]
    private partial void LogReleased(string @namespace, string name);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lease {Namespace}/{Name}: {Reason}")]
    private partial void LogTryFailed(string @namespace, string name, string reason);
}
