namespace Dora.Backup.Keys;

/// <summary>A data key, sealed by a key that is kept elsewhere.</summary>
/// <param name="Kind">Who sealed it: <c>secret</c>, or <c>vault</c>.</param>
/// <param name="Id">Which key of theirs; tells nothing of the key.</param>
/// <param name="Text">The sealed key.</param>
public sealed record WrappedKey(string Kind, string Id, string Text);

/// <summary>Seals data keys, and opens what it sealed.</summary>
public interface IKeyWrap
{
    /// <summary>A fresh data key of 32 bytes, and the same sealed.</summary>
    Task<(byte[] Key, WrappedKey Wrapped)> CreateAsync(CancellationToken cancellationToken);

    /// <summary>Opens a sealed data key.</summary>
    /// <exception cref="KeyRefusedException">It was sealed by a key that is not here, or was changed.</exception>
    Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellationToken);
}

/// <summary>A data key does not open.</summary>
public sealed class KeyRefusedException : Exception
{
    /// <summary>Says which key is needed.</summary>
    public KeyRefusedException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
