using System.Globalization;
using System.Text;

namespace Dora.Backup.Store;

/// <summary>How an object that was just written is protected, as the store itself shows it.</summary>
/// <param name="Versioning">Whether the bucket keeps versions; null: that may not be read.</param>
/// <param name="ObjectLock">Whether the bucket was made with object lock; null: that may not be read.</param>
/// <param name="Lock">The lock of the object; null: it has none.</param>
/// <param name="DeleteDenied">Whether the store refused to remove it for who wrote it.</param>
public sealed record Protection(bool? Versioning, bool? ObjectLock, (bool Compliance, DateTimeOffset Until)? Lock, bool DeleteDenied)
{
    // Clocks differ a little.
    private static readonly TimeSpan _slack = TimeSpan.FromHours(1);

    /// <summary>The same by name.</summary>
    public IReadOnlyDictionary<string, string> Facts
    {
        get
        {
            var facts = new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                ["versioning"] = Word(Versioning),
                ["object-lock"] = Word(ObjectLock),
                ["lock-mode"] = Lock is { } held ? Mode(held.Compliance) : "None",
                ["delete"] = DeleteDenied ? "denied" : "allowed",
            };
            if (Lock is { Until: var until })
                facts["lock-until"] = until.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
            return facts;
        }
    }

    /// <summary>What is not as it should be, each with what to do; none: backups are protected.</summary>
    /// <param name="wish">The lock that backups are written with, or null.</param>
    /// <param name="now">When the object was written.</param>
    public IEnumerable<string> Gaps(ObjectLock? wish, DateTimeOffset now)
    {
        if (Versioning is not true)
            yield return Versioning is null ? "whether the bucket keeps versions may not be read: grant s3:GetBucketVersioning" : "the bucket keeps no versions, so what is written over is lost: enable versioning";
        if (wish is null)
            yield return "backups are written without a lock: give the destination one";
        else if (Lock is not { } held)
            yield return $"the store shows no lock on what was written with {wish}: use a bucket that was made with object lock";
        else if ((wish.Compliance && !held.Compliance) || held.Until < now.AddDays(wish.Days) - _slack)
            yield return $"the store shows a lock of {Mode(held.Compliance)} until {held.Until:yyyy-MM-dd} on what was written with {wish}: see the bucket's own rules";
        if (!DeleteDenied)
            yield return "who writes backups can remove them: take s3:DeleteObjectVersion and s3:BypassGovernanceRetention from these credentials, or lock what is written";
    }

    private static string Word(bool? known) => known switch { true => "Enabled", false => "Off", null => "Unknown" };

    private static string Mode(bool compliance) => compliance ? "Compliance" : "Governance";
}

/// <summary>Finds out whether who writes backups can remove them: writes an object as backups are written, and tries.</summary>
public sealed class Canary(ObjectStore store, TimeProvider clock)
{
    /// <summary>Tries it.</summary>
    /// <param name="name">Name of the object; each try makes a version of it.</param>
    /// <param name="cancellationToken">Stops.</param>
    /// <exception cref="StoreException">The store does not take the object, or does not answer.</exception>
    public async Task<Protection> TryAsync(string name, CancellationToken cancellationToken)
    {
        var versioning = await KnownAsync(() => store.KeepsVersionsAsync(cancellationToken)).ConfigureAwait(false);
        var locks = await KnownAsync(() => store.HasObjectLockAsync(cancellationToken)).ConfigureAwait(false);
        var text = Encoding.ASCII.GetBytes($"Tries at {clock.GetUtcNow():O} whether who writes backups can remove them.\n");
        var written = await store.PutAsync(name, text, cancellationToken, replace: true).ConfigureAwait(false);
        var held = await store.LockOfAsync(written, cancellationToken).ConfigureAwait(false);
        var denied = await DeniedAsync(written, cancellationToken).ConfigureAwait(false);
        await SweepAsync(name, written.Version, cancellationToken).ConfigureAwait(false);
        return new(versioning, locks, held, denied);
    }

    private async Task<bool> DeniedAsync(StoredObject written, CancellationToken cancellationToken)
    {
        try
        {
            await store.DeleteAsync(written.Name, written.Version, cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.Denied)
        {
            return true;
        }
    }

    // Those of earlier tries, as far as they may go by now.
    private async Task SweepAsync(string name, string? written, CancellationToken cancellationToken)
    {
        try
        {
            var old = new List<ObjectVersion>();
            await foreach (var version in store.ListVersionsAsync(name, cancellationToken).ConfigureAwait(false))
            {
                if (version.Name == name && version.Version is not null && version.Version != written)
                    old.Add(version);
            }

            await store.DeleteAllAsync(old, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.Denied)
        {
            // Who only writes may not even list: the bucket's own rules remove old versions.
        }
    }

    private static async Task<bool?> KnownAsync(Func<Task<bool>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Problem is StoreProblem.Denied)
        {
            return null;
        }
    }
}
