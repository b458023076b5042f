using System.Security.Cryptography;
using System.Threading.Channels;
using Amazon.S3.Model;
using Dora.Backup.Streams;

namespace Dora.Backup.Store;

/// <summary>
/// Writes one object of any size: one part is filled while two are on their way. What fits into one part is a plain object. Only
/// <see cref="CompleteAsync"/> makes the object appear; disposing of it without that gives up the upload, and nothing stays.
/// </summary>
public sealed class ObjectWriter : WriteOnlyStream
{
    private const int Underway = 2;

    private readonly ObjectStore _store;
    private readonly string _name;
    private readonly bool _replace;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly Channel<byte[]> _free = Channel.CreateUnbounded<byte[]>();
    private readonly List<Task<PartETag>> _parts = [];
    private readonly CancellationTokenSource _stop = new();
    private byte[]? _buffer;
    private int _buffers;
    private int _held;
    private long _bytes;
    private string? _upload;
    private bool _completed;

    internal ObjectWriter(ObjectStore store, string name, bool replace)
    {
        _store = store;
        _name = name;
        _replace = replace;
    }

    /// <summary>Bytes so far.</summary>
    public long Bytes => _bytes;

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _hash.AppendData(buffer.Span);
        _bytes += buffer.Length;
        while (buffer.Length > 0)
        {
            if (_held == ObjectStore.PartBytes)
                await SendAsync(cancellationToken).ConfigureAwait(false);
            _buffer ??= await BufferAsync(cancellationToken).ConfigureAwait(false);
            var count = Math.Min(buffer.Length, ObjectStore.PartBytes - _held);
            buffer[..count].CopyTo(_buffer.AsMemory(_held));
            _held += count;
            buffer = buffer[count..];
        }
    }

    /// <summary>Ends the object, and answers what it became.</summary>
    public async Task<StoredObject> CompleteAsync(CancellationToken cancellationToken = default)
    {
        if (_upload is null)
        {
            var small = await _store.PutAsync(_name, _buffer.AsMemory(0, _held), cancellationToken, _replace).ConfigureAwait(false);
            _completed = true;
            return small;
        }

        if (_held > 0)
            await SendAsync(cancellationToken).ConfigureAwait(false);
        var parts = await Task.WhenAll(_parts).ConfigureAwait(false);
        var version = await _store.EndAsync(_name, _upload, parts, _replace, cancellationToken).ConfigureAwait(false);
        _completed = true;
        return new(_name, _bytes, Convert.ToHexStringLower(_hash.GetCurrentHash()), version);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (!_completed)
        {
            await _stop.CancelAsync().ConfigureAwait(false);
            // A part that arrives after the end would stay, and be paid for.
            await Task.WhenAll(_parts.Select(part => part.ContinueWith(_ => { }, TaskScheduler.Default))).ConfigureAwait(false);
            if (_upload is not null)
                await GiveUpAsync(_upload).ConfigureAwait(false);
        }

        _hash.Dispose();
        _stop.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task SendAsync(CancellationToken cancellationToken)
    {
        _upload ??= await _store.BeginAsync(_name, cancellationToken).ConfigureAwait(false);
        _parts.Add(UploadAsync(_upload, _parts.Count + 1, _buffer!, _held));
        _buffer = null;
        _held = 0;
    }

    private async Task<PartETag> UploadAsync(string upload, int number, byte[] buffer, int count)
    {
        try
        {
            return await _store.PartAsync(_name, upload, number, buffer, count, _stop.Token).ConfigureAwait(false);
        }
        finally
        {
            _free.Writer.TryWrite(buffer);
        }
    }

    private async ValueTask<byte[]> BufferAsync(CancellationToken cancellationToken)
    {
        // A part that failed fails the whole at once, not at its end.
        if (_parts.Find(part => part.IsFaulted) is { } failed)
            await failed.ConfigureAwait(false);
        if (_buffers <= Underway && !_free.Reader.TryPeek(out _))
        {
            _buffers++;
            return new byte[ObjectStore.PartBytes];
        }

        var buffer = await _free.Reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        if (_parts.Find(part => part.IsFaulted) is { } since)
            await since.ConfigureAwait(false);
        return buffer;
    }

    private async Task GiveUpAsync(string upload)
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
            await _store.AbortAsync(_name, upload, patience.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is StoreException or OperationCanceledException)
        {
            // The store is away: its rule for unfinished uploads (AbortIncompleteMultipartUpload) ends it.
        }
    }
}
