using System.Collections.Concurrent;
using System.Text.Json.Serialization.Metadata;

namespace Dora.Vault;

/// <summary>
/// A client of Vault's HTTP API, which OpenBao speaks too. One login is shared by all callers. A refused call logs in again once
/// and is repeated; when that did not help, the same call fails at once for a while, and no other one causes a login.
/// </summary>
public sealed class VaultClient : IDisposable
{
    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(30);
    private const int MostRefusals = 1000;

    private readonly VaultTransport _transport;
    private readonly VaultSession _session;
    private readonly TimeProvider _clock;
    private readonly ConcurrentDictionary<string, long> _refused = new(StringComparer.Ordinal);
    private long? _fruitless;

    /// <summary>A client; it logs in at its first call.</summary>
    /// <exception cref="ArgumentException">The CA bundle holds no PEM certificate.</exception>
    public VaultClient(VaultOptions options, VaultLogin login, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(login);
        ArgumentNullException.ThrowIfNull(clock);
        (Options, _clock, _transport) = (options, clock, new(options, clock));
        _session = new(_transport, login, clock);
    }

    /// <summary>Which Vault is asked.</summary>
    public VaultOptions Options { get; }

    /// <summary>How Vault is, by sys/health; no login is needed.</summary>
    /// <exception cref="VaultUnreachableException">No answer.</exception>
    public Task<VaultHealth> HealthAsync(CancellationToken cancellationToken) => HealthOf(_transport, cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        _session.Dispose();
        _transport.Dispose();
    }

    /// <summary>The answer to a request, if it is a success or one of these codes.</summary>
    /// <exception cref="VaultException">Any other answer, or none.</exception>
    internal async Task<VaultAnswer> SendAsync(VaultRequest request, CancellationToken cancellationToken, params int[] also)
    {
        if (request.Anonymous)
            return await JudgeAsync(request, await _transport.SendAsync(request, null, cancellationToken), null, also, cancellationToken);
        if (_refused.TryGetValue(request.ToString(), out var at) && _clock.GetElapsedTime(at) < Calm)
            throw VaultRefusal.Of(request, new(403, []), null);
        var token = await _session.GetAsync(cancellationToken);
        var answer = await _transport.SendAsync(request, token.Value, cancellationToken);
        if (answer.Code == 403 && !(_fruitless is { } last && _clock.GetElapsedTime(last) < Calm))
        {
            token = await _session.ReplaceAsync(token, cancellationToken);
            answer = await _transport.SendAsync(request, token.Value, cancellationToken);
            _fruitless = answer.Code == 403 ? _clock.GetTimestamp() : null;
        }

        Remember(request, answer);
        return await JudgeAsync(request, answer, token.Value, also, cancellationToken);
    }

    /// <summary>What is under <c>data</c> of the answer.</summary>
    internal async Task<T> DataAsync<T>(VaultRequest request, JsonTypeInfo<T> shape, CancellationToken cancellationToken)
        where T : class => VaultRefusal.Data(request, await SendAsync(request, cancellationToken), shape);

    private void Remember(VaultRequest request, VaultAnswer answer)
    {
        if (answer.Code != 403)
        {
            _refused.TryRemove(request.ToString(), out _);
            return;
        }

        if (_refused.Count >= MostRefusals)
            _refused.Clear();
        _refused[request.ToString()] = _clock.GetTimestamp();
    }

    private async Task<VaultAnswer> JudgeAsync(VaultRequest request, VaultAnswer answer, string? token, int[] also, CancellationToken cancellationToken)
    {
        if (answer.Success || also.Contains(answer.Code))
            return answer;
        throw VaultRefusal.Of(request, answer, token, answer.Code == 503 && !VaultRefusal.SaysSealed(answer) ? await CauseAsync(cancellationToken) : null);
    }

    // A 503 may come from the seal, from a cluster without a leader, or from something in between.
    private async Task<VaultHealth?> CauseAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await HealthAsync(cancellationToken);
        }
        catch (VaultException)
        {
            return null;
        }
    }

    private static async Task<VaultHealth> HealthOf(VaultTransport transport, CancellationToken cancellationToken)
    {
        var request = VaultRequest.Get("sys/health") with { Anonymous = true };
        var answer = await transport.SendAsync(request, null, cancellationToken, tries: 1);
        var state = answer.Code switch
        {
            200 => VaultState.Active,
            429 => VaultState.Standby,
            472 => VaultState.DisasterRecoverySecondary,
            473 => VaultState.PerformanceStandby,
            501 => VaultState.Uninitialized,
            503 => VaultState.Sealed,
            _ => throw new VaultUnreachableException($"sys/health answers {answer.Code}: is {transport.Address} a Vault?", answer.Code),
        };
        return new(state, VaultRefusal.Read(request, answer, VaultJson.Default.HealthBody).Version);
    }
}

/// <summary>How a Vault is.</summary>
/// <param name="State">In one word.</param>
/// <param name="Version">Its version, or null.</param>
public sealed record VaultHealth(VaultState State, string? Version);

/// <summary>State of a Vault by sys/health.</summary>
public enum VaultState
{
    /// <summary>200: unsealed and active.</summary>
    Active,

    /// <summary>429: unsealed, another node is active.</summary>
    Standby,

    /// <summary>472: a secondary for disaster recovery.</summary>
    DisasterRecoverySecondary,

    /// <summary>473: a standby that serves reads.</summary>
    PerformanceStandby,

    /// <summary>501: never initialised.</summary>
    Uninitialized,

    /// <summary>503: sealed.</summary>
    Sealed,
}
