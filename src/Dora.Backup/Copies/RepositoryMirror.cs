using Dora.Backup.Store;

namespace Dora.Backup.Copies;

/// <summary>
/// Has in another store what an engine's tool stored by itself (pgBackRest): sends what is lacking there or older, and removes nothing. The tool may write and remove
/// meanwhile, so what names the others (<c>*.info</c>) is read before them and written after them: what the target's names is there.
/// </summary>
internal sealed class RepositoryMirror(ObjectStore source, ObjectStore target, ObjectCopy copy)
{
    private const int AtOnce = 4;
    private const int Rounds = 3;
    private const int LongestHead = 16 * 1024 * 1024;

    /// <summary>Sends what is lacking. Memory holds a page of each listing, and a few objects.</summary>
    /// <param name="folder">The repository, in both stores.</param>
    /// <param name="cancellationToken">Stops; what was sent stays, and the next run goes on.</param>
    /// <exception cref="StoreException">One of the stores does not do its part.</exception>
    public async Task<(int Sent, long Bytes)> RunAsync(string folder, CancellationToken cancellationToken)
    {
        var (sent, bytes) = (0, 0L);
        for (var round = 1; ; round++)
        {
            try
            {
                await OnceAsync(folder, stored =>
                {
                    Interlocked.Increment(ref sent);
                    Interlocked.Add(ref bytes, stored);
                }, cancellationToken).ConfigureAwait(false);
                return (sent, bytes);
            }
            catch (StoreException exception) when (exception.Problem == StoreProblem.NotFound && round < Rounds)
            {
                // The tool removed what no backup needs any more, since it was listed.
            }
        }
    }

    /// <summary>What one listing has that the other lacks, or has older or of another length. Both are in the order of their names.</summary>
    internal static async IAsyncEnumerable<ListedObject> LackingAsync(IAsyncEnumerable<ListedObject> wanted, IAsyncEnumerable<ListedObject> there)
    {
        await using var held = there.GetAsyncEnumerator();
        var more = await held.MoveNextAsync().ConfigureAwait(false);
        await foreach (var next in wanted.ConfigureAwait(false))
        {
            while (more && string.CompareOrdinal(held.Current.Name, next.Name) < 0)
                more = await held.MoveNextAsync().ConfigureAwait(false);
            if (!more || held.Current.Name != next.Name || held.Current.Bytes != next.Bytes || held.Current.Modified < next.Modified)
                yield return next;
        }
    }

    private async Task OnceAsync(string folder, Action<long> sent, CancellationToken cancellationToken)
    {
        var heads = new List<(string Name, byte[] Content)>();
        await foreach (var stored in source.ListAsync(folder, cancellationToken).Where(stored => IsHead(stored.Name)).ConfigureAwait(false))
            heads.Add((stored.Name, await source.GetAsync(stored.Name, LongestHead, cancellationToken).ConfigureAwait(false)));
        var late = new List<ListedObject>();
        await SendAsync(LackingAsync(source.ListAsync(folder, cancellationToken), target.ListAsync(folder, cancellationToken)).Where(stored => !IsHead(stored.Name) && !Waits(stored, late)), sent, cancellationToken).ConfigureAwait(false);
        await SendAsync(late.ToAsyncEnumerable(), sent, cancellationToken).ConfigureAwait(false);
        foreach (var (name, content) in heads)
            await PutAsync(name, content, sent, cancellationToken).ConfigureAwait(false);
    }

    // Small ones several at once, for the time that each takes; one large one at a time, for the memory.
    private async Task SendAsync(IAsyncEnumerable<ListedObject> objects, Action<long> sent, CancellationToken cancellationToken)
    {
        using var large = new SemaphoreSlim(1);
        await Parallel.ForEachAsync(objects, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (stored, token) =>
        {
            var alone = stored.Bytes > ObjectStore.PartBytes;
            if (alone)
                await large.WaitAsync(token).ConfigureAwait(false);
            try
            {
                await copy.SendAsync(new(stored.Name, stored.Bytes, ""), token).ConfigureAwait(false);
                sent(stored.Bytes);
            }
            finally
            {
                if (alone)
                    large.Release();
            }
        }).ConfigureAwait(false);
    }

    private async Task PutAsync(string name, byte[] content, Action<long> sent, CancellationToken cancellationToken)
    {
        try
        {
            if ((await target.GetAsync(name, LongestHead, cancellationToken).ConfigureAwait(false)).AsSpan().SequenceEqual(content))
                return;
        }
        catch (StoreException exception) when (exception.Problem == StoreProblem.NotFound)
        {
            // The first time.
        }

        await target.PutAsync(name, content, cancellationToken, replace: true).ConfigureAwait(false);
        sent(content.Length);
    }

    // A backup's manifest says that its files are there.
    private static bool Waits(ListedObject stored, List<ListedObject> late)
    {
        if (!stored.Name.Contains("/backup.manifest", StringComparison.Ordinal))
            return false;
        late.Add(stored);
        return true;
    }

    private static bool IsHead(string name) => name.EndsWith(".info", StringComparison.Ordinal) || name.EndsWith(".info.copy", StringComparison.Ordinal);
}
