using System.Collections.Concurrent;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Runtime;
using Dora.Vault;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Credentials;

/// <summary>
/// Reads and writes the passwords of stacks in Vault. What was read is kept in memory and read again beside the passes over a stack,
/// at most every 30 s: a Vault that is slow or away holds up no failover. At rest that is one request for the version of each Secret.
/// </summary>
public sealed partial class VaultCredentials(KubeClient client, VaultAccess access, Action<ObjectKey> changed, TimeProvider clock, ILogger<VaultCredentials> logger) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<ObjectKey, WatchedPasswords> _stacks = new();
    private readonly CancellationTokenSource _stop = new();

    /// <summary>Clients of the Vaults that stacks name, for whoever asks them for something else.</summary>
    public VaultClients Clients { get; } = new(client, access, clock);

    /// <summary>What Vault says of each Secret, by its name; empty for a stack without Vault.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="places">Its Secrets.</param>
    /// <param name="cancellationToken">Stops waiting.</param>
    public async Task<IReadOnlyDictionary<string, VaultReading>> ReadAsync(ComplianceStack stack, IReadOnlyList<VaultPlace> places, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        var key = ObjectKey.Of(stack);
        if (stack.Spec.Credentials is not { Source: CredentialSource.Vault, Vault: { } settings } || VaultRules.Check(stack).Any())
        {
            _stacks.TryRemove(key, out _);
            return new Dictionary<string, VaultReading>();
        }

        var watched = _stacks.AddOrUpdate(key, _ => new(stack.Metadata.Uid, settings), (_, old) => old.Uid == stack.Metadata.Uid && old.Settings == settings ? old : new(stack.Metadata.Uid, settings));
        List<VaultPlace> kept = [.. places.Where(place => VaultPlace.Keys(place.Request).Any())];
        if (watched.Start(kept, clock, () => RefreshAsync(key, stack, settings, kept, watched)) is { } refresh && !watched.Knows(kept))
        {
            try
            {
                await refresh.WaitAsync(Patience, clock, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Not known yet; the next pass may know.
            }
        }

        return kept.ToDictionary(place => place.Request.SecretName, place => watched.Of(place) ?? new VaultReading.Unavailable(VaultProblem.Unreachable, VaultProblem.Silent(settings.Address)), StringComparer.Ordinal);
    }

    /// <summary>
    /// Writes passwords where Vault has none, and answers what is there then: somebody else may have been first.
    /// </summary>
    /// <exception cref="VaultException">Vault refuses or does not answer; whether it wrote is found out by the next reading.</exception>
    public async Task<VaultReading> CreateAsync(ComplianceStack stack, VaultPlace place, IReadOnlyDictionary<string, string> values, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(place);
        var settings = stack.Spec.Credentials!.Vault!;
        _stacks.TryGetValue(ObjectKey.Of(stack), out var watched);
        watched?.Learn(place, null);
        var kv = new KeyValueStore(await Clients.OfAsync(stack, settings.Connection(), cancellationToken).ConfigureAwait(false), settings.Mount);
        var path = place.Path(stack, settings);
        var at = $"{settings.Mount}/{path}";
        VaultReading found;
        try
        {
            var keys = VaultPlace.Keys(place.Request).ToDictionary(key => key, key => values[key], StringComparer.Ordinal);
            // Only another user's name than the first one's says anything.
            foreach (var field in place.Request.Usernames.Where(field => values.GetValueOrDefault(field.Key) is { } name && name != field.Value))
                keys[field.Key] = values[field.Key];
            found = new VaultReading.Found(at, keys, await kv.WriteAsync(path, keys, 0, cancellationToken).ConfigureAwait(false));
            LogWritten(logger, stack.Metadata.Namespace, stack.Metadata.Name, at);
        }
        catch (VaultConflictException)
        {
            found = Reading(place.Request, at, await kv.ReadAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false));
        }

        watched?.Learn(place, found);
        return found;
    }

    /// <summary>
    /// Writes keys of a place over a version that was read, and answers what is there then; other keys of it stay. Whoever else wrote
    /// meanwhile has won.
    /// </summary>
    /// <inheritdoc cref="CreateAsync" path="/exception"/>
    public async Task<VaultReading> ReplaceAsync(ComplianceStack stack, VaultPlace place, IReadOnlyDictionary<string, string> values, int version, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(place);
        var settings = stack.Spec.Credentials!.Vault!;
        _stacks.TryGetValue(ObjectKey.Of(stack), out var watched);
        // Whether an answer that is lost was a yes is found out by reading.
        watched?.Learn(place, null);
        var kv = new KeyValueStore(await Clients.OfAsync(stack, settings.Connection(), cancellationToken).ConfigureAwait(false), settings.Mount);
        var path = place.Path(stack, settings);
        try
        {
            await kv.PatchAsync(path, values, version, cancellationToken).ConfigureAwait(false);
            LogWritten(logger, stack.Metadata.Namespace, stack.Metadata.Name, $"{settings.Mount}/{path}");
        }
        catch (VaultConflictException)
        {
            // Theirs is read now.
        }

        return await ReadNowAsync(stack, place, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What Vault holds at this moment; what was kept may be half a minute old.</summary>
    /// <inheritdoc cref="CreateAsync" path="/exception"/>
    public async Task<VaultReading> ReadNowAsync(ComplianceStack stack, VaultPlace place, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(place);
        var settings = stack.Spec.Credentials!.Vault!;
        var kv = new KeyValueStore(await Clients.OfAsync(stack, settings.Connection(), cancellationToken).ConfigureAwait(false), settings.Mount);
        var path = place.Path(stack, settings);
        var found = Reading(place.Request, $"{settings.Mount}/{path}", await kv.ReadAsync(path, cancellationToken: cancellationToken).ConfigureAwait(false));
        if (_stacks.TryGetValue(ObjectKey.Of(stack), out var watched))
            watched.Learn(place, found);
        return found;
    }

    /// <summary>Forgets a stack that is gone; its passwords stay in Vault.</summary>
    public void Forget(ObjectKey key) => _stacks.TryRemove(key, out _);

    /// <summary>Ends when the reading under way has ended.</summary>
    internal Task SettledAsync(ObjectKey key) => _stacks.TryGetValue(key, out var watched) ? watched.Reading : Task.CompletedTask;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        Clients.Dispose();
        _stop.Dispose();
    }

    private async Task RefreshAsync(ObjectKey key, ComplianceStack stack, VaultSettings settings, IReadOnlyList<VaultPlace> places, WatchedPasswords watched)
    {
        var news = false;
        VaultReading.Unavailable? down = null;
        foreach (var place in places)
        {
            var before = watched.Of(place);
            var now = down ?? await ReadAsync(stack, settings, place, before).ConfigureAwait(false);
            // Forbidden is one path's; sealed or unreachable is all of Vault.
            if (now is VaultReading.Unavailable { Reason: not "VaultForbidden" } all)
                down = all;
            watched.Learn(place, now);
            news |= before is not null && !before.Equals(now);
            if (now is VaultReading.Unavailable problem && !now.Equals(before))
                LogUnavailable(logger, key, problem.Reason, problem.Message);
        }

        watched.Ended(clock, places.Any(place => watched.Of(place) is VaultReading.Unavailable));
        if (news)
            changed(key);
    }

    private async Task<VaultReading> ReadAsync(ComplianceStack stack, VaultSettings settings, VaultPlace place, VaultReading? before)
    {
        var path = place.Path(stack, settings);
        var at = $"{settings.Mount}/{path}";
        try
        {
            var kv = new KeyValueStore(await Clients.OfAsync(stack, settings.Connection(), _stop.Token).ConfigureAwait(false), settings.Mount);
            // The version alone: reading passwords all the time would fill Vault's audit log with nothing.
            if (before is VaultReading.Found known && await kv.VersionAsync(path, _stop.Token).ConfigureAwait(false) is { Deleted: false, Destroyed: false } newest && newest.Number == known.Version)
                return known;
            return Reading(place.Request, at, await kv.ReadAsync(path, cancellationToken: _stop.Token).ConfigureAwait(false));
        }
        catch (VaultForbiddenException exception) when (!exception.Login)
        {
            // One text for both paths: which of them was asked depends on what was known.
            return new VaultReading.Unavailable(exception.Reason, $"Vault does not let the operator read {at}: grant read on {settings.Mount}/data/{path} and {settings.Mount}/metadata/{path} to its policy");
        }
        catch (Exception exception) when (VaultProblem.Of(exception, settings.Address) is { } problem)
        {
            LogSilent(logger, stack.Metadata.Namespace, stack.Metadata.Name, exception.Message);
            return new VaultReading.Unavailable(exception is VaultNotFoundException ? "VaultForbidden" : problem.Reason, problem.Message);
        }
    }

    private static VaultReading Reading(CredentialRequest request, string at, KeyValueReading reading) => reading switch
    {
        KeyValueReading.Found found => new VaultReading.Found(at, VaultPlace.Read(request).Select(key => (key, Text: found.Text(key))).Where(pair => pair.Text is not null).ToDictionary(pair => pair.key, pair => pair.Text!, StringComparer.Ordinal), found.Version),
        KeyValueReading.Deleted deleted => new VaultReading.Gone(at, deleted.Version),
        KeyValueReading.Destroyed destroyed => new VaultReading.Gone(at, destroyed.Version),
        _ => new VaultReading.Absent(at),
    };

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Stack}: wrote {Path} in Vault")]
    private static partial void LogWritten(ILogger logger, string? @namespace, string? stack, string path);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Stack}: {Reason}: {Problem}")]
    private static partial void LogUnavailable(ILogger logger, ObjectKey stack, string reason, string problem);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Namespace}/{Stack}: {Problem}")]
    private static partial void LogSilent(ILogger logger, string? @namespace, string? stack, string problem);
}
