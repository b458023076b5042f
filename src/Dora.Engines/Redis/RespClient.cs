using System.Buffers;
using System.Buffers.Text;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Dora.Engines.Redis;

/// <summary>
/// One connection speaking RESP2 (Redis documentation, "Redis serialization protocol"): what an operator needs, not a client for
/// applications. Replies are bounded in size and depth; a hostile reply ends the connection, not the process.
/// </summary>
internal sealed class RespClient : IAsyncDisposable
{
    private const int LargestReply = 4 << 20;
    private const int LargestArray = 64 << 10;
    private const int DeepestReply = 8;

    private readonly Stream _stream;
    private readonly Encoding _encoding;
    private readonly PipeReader _reader;

    /// <param name="stream">The connection.</param>
    /// <param name="encoding">What strings mean; Latin-1 hands on names of keys byte by byte, whatever they are. UTF-8 when null.</param>
    public RespClient(Stream stream, Encoding? encoding = null)
    {
        _stream = stream;
        _encoding = encoding ?? Encoding.UTF8;
        _reader = PipeReader.Create(stream);
    }

    /// <summary>Connects, encrypted where options for that are given, and authenticates.</summary>
    /// <exception cref="RespException">The server refuses the user.</exception>
    /// <exception cref="System.Security.Authentication.AuthenticationException">The server is not who it should be.</exception>
    public static async Task<RespClient> ConnectAsync(
        string address, int port, string user, string password, CancellationToken cancellationToken, Encoding? encoding = null, SslClientAuthenticationOptions? tls = null)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        // Whoever only listens would not notice that the other side is gone without a word.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        try
        {
            await socket.ConnectAsync(address, port, cancellationToken).ConfigureAwait(false);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (tls is not null)
            {
                var encrypted = new SslStream(stream);
                await encrypted.AuthenticateAsClientAsync(tls, cancellationToken).ConfigureAwait(false);
                stream = encrypted;
            }

            var client = new RespClient(stream, encoding);
            await client.SendAsync(cancellationToken, "AUTH", user, password).ConfigureAwait(false);
            return client;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends one command and reads its reply.</summary>
    /// <exception cref="RespException">The server answers with an error.</exception>
    /// <exception cref="InvalidDataException">The reply is not RESP, or larger than allowed.</exception>
    public async Task<RespValue> SendAsync(CancellationToken cancellationToken, params string[] words)
    {
        await _stream.WriteAsync(Encode(_encoding, words), cancellationToken).ConfigureAwait(false);
        return await ReceiveAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads one value: a reply, or what a channel that was subscribed to brings.</summary>
    /// <exception cref="RespException">The server answers with an error.</exception>
    /// <exception cref="InvalidDataException">It is not RESP, or larger than allowed.</exception>
    /// <exception cref="EndOfStreamException">The server closed the connection.</exception>
    public async Task<RespValue> ReceiveAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (TryRead(result.Buffer, out var value, out var consumed, _encoding))
            {
                _reader.AdvanceTo(consumed);
                return value.Kind == RespKind.Error ? throw new RespException(value.Text ?? "ERR") : value;
            }

            if (result.Buffer.Length > LargestReply)
                throw new InvalidDataException($"a reply is larger than {LargestReply} bytes");
            _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted)
                throw new EndOfStreamException("the server closed the connection");
        }
    }

    /// <summary>The bytes of a command: an array of bulk strings.</summary>
    internal static byte[] Encode(params ReadOnlySpan<string> words) => Encode(Encoding.UTF8, words);

    private static byte[] Encode(Encoding encoding, ReadOnlySpan<string> words)
    {
        var buffer = new ArrayBufferWriter<byte>();
        Encoding.ASCII.GetBytes($"*{words.Length}\r\n", buffer);
        foreach (var word in words)
        {
            Encoding.ASCII.GetBytes($"${encoding.GetByteCount(word)}\r\n", buffer);
            encoding.GetBytes(word, buffer);
            buffer.Write("\r\n"u8);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Reads one value if it is complete.</summary>
    /// <exception cref="InvalidDataException">The bytes are not RESP, or a length is larger than allowed.</exception>
    internal static bool TryRead(ReadOnlySequence<byte> buffer, out RespValue value, out SequencePosition consumed, Encoding? encoding = null)
    {
        var reader = new SequenceReader<byte>(buffer);
        var complete = TryRead(ref reader, 0, encoding ?? Encoding.UTF8, out value);
        consumed = reader.Position;
        return complete;
    }

    private static bool TryRead(ref SequenceReader<byte> reader, int depth, Encoding encoding, out RespValue value)
    {
        value = default;
        if (depth > DeepestReply)
            throw new InvalidDataException("a reply is nested too deeply");
        if (!reader.TryReadTo(out ReadOnlySequence<byte> line, "\r\n"u8))
            return false;
        if (line.IsEmpty)
            throw new InvalidDataException("a reply has no type");
        var bytes = line.ToArray();
        var rest = bytes.AsSpan(1);
        switch ((char)bytes[0])
        {
            case '+':
                value = new(RespKind.Text, Encoding.UTF8.GetString(rest), null);
                return true;
            case '-':
                value = new(RespKind.Error, Encoding.UTF8.GetString(rest), null);
                return true;
            case ':':
                value = new(RespKind.Integer, Number(rest, long.MinValue, long.MaxValue).ToString(System.Globalization.CultureInfo.InvariantCulture), null);
                return true;
            case '$':
                return TryReadBulk(ref reader, (int)Number(rest, -1, LargestReply), encoding, out value);
            case '*':
                return TryReadArray(ref reader, (int)Number(rest, -1, LargestArray), depth, encoding, out value);
            default:
                throw new InvalidDataException($"a reply starts with byte {bytes[0]}");
        }
    }

    private static bool TryReadBulk(ref SequenceReader<byte> reader, int length, Encoding encoding, out RespValue value)
    {
        value = new(RespKind.Null, null, null);
        if (length < 0)
            return true;
        if (reader.Remaining < length + 2)
            return false;
        value = new(RespKind.Text, encoding.GetString(reader.UnreadSequence.Slice(0, length)), null);
        reader.Advance(length);
        if (!reader.IsNext("\r\n"u8, advancePast: true))
            throw new InvalidDataException("a bulk string does not end where it says");
        return true;
    }

    private static bool TryReadArray(ref SequenceReader<byte> reader, int count, int depth, Encoding encoding, out RespValue value)
    {
        value = new(RespKind.Null, null, null);
        if (count < 0)
            return true;
        var items = new List<RespValue>(Math.Min(count, 256));
        for (var i = 0; i < count; i++)
        {
            if (!TryRead(ref reader, depth + 1, encoding, out var item))
                return false;
            items.Add(item);
        }

        value = new(RespKind.Array, null, items);
        return true;
    }

    private static long Number(ReadOnlySpan<byte> digits, long least, long most) =>
        Utf8Parser.TryParse(digits, out long number, out var used) && used == digits.Length && number >= least && number <= most
            ? number
            : throw new InvalidDataException("a length or number in a reply is not allowed");

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _reader.CompleteAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>What a reply is.</summary>
internal enum RespKind
{
    Null,
    Text,
    Error,
    Integer,
    Array,
}

/// <summary>A reply.</summary>
internal readonly record struct RespValue(RespKind Kind, string? Text, IReadOnlyList<RespValue>? Items);

/// <summary>The server's error reply, e.g. <c>WRONGPASS …</c>.</summary>
internal sealed class RespException(string message) : Exception(message)
{
    /// <summary>First word of the error.</summary>
    public string Code => Message.Split(' ')[0];
}
