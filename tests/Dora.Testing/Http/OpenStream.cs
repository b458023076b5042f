using System.Threading.Channels;

namespace Dora.Testing.Http;

/// <summary>The body of a reply that a test writes while the client reads it.</summary>
public sealed class OpenStream
{
    private readonly Channel<string> _pieces = Channel.CreateUnbounded<string>();

    /// <summary>Sends a piece at once.</summary>
    public void Send(string piece) => _pieces.Writer.TryWrite(piece);

    /// <summary>Ends the body in order.</summary>
    public void End() => _pieces.Writer.TryComplete();

    internal IAsyncEnumerable<string> ReadAsync(CancellationToken cancellationToken) => _pieces.Reader.ReadAllAsync(cancellationToken);
}
