using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>Where a server listens, and how to be sure that it is that server.</summary>
/// <param name="Host">Address or name.</param>
/// <param name="Port">Port.</param>
/// <param name="Tls">TLS, or null for none.</param>
internal sealed record MongoEndpoint(string Host, int Port, MongoTls? Tls = null);

/// <summary>How TLS is spoken.</summary>
/// <param name="ServerName">Name that the server's certificate must hold.</param>
/// <param name="Trust">Who may have issued it; nobody else is believed.</param>
/// <param name="Certificate">The client's own certificate with its key, or null.</param>
internal sealed record MongoTls(string ServerName, ServerTrust Trust, X509Certificate2? Certificate = null);

/// <summary>
/// One connection to one server, one command at a time: what an operator needs, not a client for applications. Every call has a
/// deadline; replies are bounded in size, depth and number of values; after any failure of the protocol the connection is over.
/// </summary>
internal sealed class MongoClient : IAsyncDisposable
{
    /// <summary>How long one command may take, unless its caller knows better.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private const int MostListed = 10_000;

    private readonly Stream _stream;
    private readonly PipeReader _reader;
    private int _requests;
    private bool _broken;

    internal MongoClient(Stream stream)
    {
        _stream = stream;
        _reader = PipeReader.Create(stream);
    }

    /// <summary>What the server said of itself when the connection began.</summary>
    public MongoHello Hello { get; private set; } = MongoHello.Unknown;

    /// <summary>Who was let in by a password; null: nobody yet.</summary>
    public string? User { get; private set; }

    /// <summary>Connects and says hello; nobody is logged in yet.</summary>
    /// <exception cref="TimeoutException">The server does not answer in time.</exception>
    public static async Task<MongoClient> ConnectAsync(MongoEndpoint endpoint, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Stream? stream = null;
        try
        {
            stream = await WithDeadlineAsync(token => OpenAsync(socket, endpoint, token), Patience, cancellationToken).ConfigureAwait(false);
            var client = new MongoClient(stream);
            client.Hello = MongoHello.Parse(await client.RunAsync("admin", FirstHello(), cancellationToken).ConfigureAwait(false));
            return client;
        }
        catch
        {
            if (stream is not null)
                await stream.DisposeAsync().ConfigureAwait(false);
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Logs in with a password.</summary>
    /// <exception cref="MongoException">The server refuses the user (code 18).</exception>
    /// <exception cref="InvalidDataException">The server does not prove that it knows the password.</exception>
    public async Task AuthenticateAsync(string user, string password, CancellationToken cancellationToken)
    {
        var scram = new ScramSha256(user, password, ScramSha256.Nonce());
        var started = await RunAsync("admin", new()
        {
            { "saslStart", 1 },
            { "mechanism", "SCRAM-SHA-256" },
            { "payload", scram.First() },
            { "options", new BsonDocument { { "skipEmptyExchange", true } } },
        }, cancellationToken).ConfigureAwait(false);
        try
        {
            var continued = await RunAsync("admin", new()
            {
                { "saslContinue", 1 },
                { "conversationId", started["conversationId"] ?? throw new InvalidDataException("the server names no conversation") },
                { "payload", scram.Final(Payload(started)) },
            }, cancellationToken).ConfigureAwait(false);
            scram.Verify(Payload(continued));
            if (continued.Truth("done") != true)
                throw new InvalidDataException("the server does not end the exchange");
            User = user;
        }
        catch (InvalidDataException)
        {
            _broken = true;
            throw;
        }
    }

    /// <summary>Logs in as the subject of the client certificate of this TLS connection.</summary>
    /// <exception cref="MongoException">The server knows no such user (code 18), or the connection has no certificate.</exception>
    public Task AuthenticateX509Async(CancellationToken cancellationToken) =>
        RunAsync("$external", new() { { "authenticate", 1 }, { "mechanism", "MONGODB-X509" } }, cancellationToken);

    /// <summary>Runs a command and gives its answer.</summary>
    /// <exception cref="MongoException">The server refuses, or wrote and could not have it confirmed.</exception>
    /// <exception cref="InvalidDataException">The answer is not what the protocol allows.</exception>
    /// <exception cref="TimeoutException">The server does not answer in time.</exception>
    public Task<BsonDocument> RunAsync(string database, BsonDocument command, CancellationToken cancellationToken) =>
        RunAsync(database, command, Patience, cancellationToken);

    /// <inheritdoc cref="RunAsync(string, BsonDocument, CancellationToken)"/>
    public async Task<BsonDocument> RunAsync(string database, BsonDocument command, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (_broken)
            throw new IOException("the connection failed before");
        var request = ++_requests;
        _broken = true;
        var reply = await WithDeadlineAsync(token => ExchangeAsync(OpMsg.Encode(request, command.With("$db", database)), request, token), patience, cancellationToken).ConfigureAwait(false);
        _broken = false;
        MongoException.ThrowIfRefused(reply);
        return reply;
    }

    /// <summary>Runs a command that gives a cursor, and reads it to its end.</summary>
    public async Task<IReadOnlyList<BsonDocument>> ListAsync(string database, BsonDocument command, CancellationToken cancellationToken)
    {
        var cursor = (await RunAsync(database, command, cancellationToken).ConfigureAwait(false)).Document("cursor") ?? throw new InvalidDataException("an answer has no cursor");
        var found = cursor.Documents("firstBatch").ToList();
        var collection = cursor.Text("ns") is { } ns && ns.IndexOf('.', StringComparison.Ordinal) is > 0 and var dot ? ns[(dot + 1)..] : "";
        while (cursor["id"] is { Type: BsonType.Int64, Raw: long id } && id != 0)
        {
            if (found.Count > MostListed)
                throw new InvalidDataException($"a list is longer than {MostListed}");
            var more = await RunAsync(database, new() { { "getMore", id }, { "collection", collection } }, cancellationToken).ConfigureAwait(false);
            cursor = more.Document("cursor") ?? throw new InvalidDataException("an answer has no cursor");
            var batch = cursor.Documents("nextBatch").ToList();
            // A server that hands out empty pages for ever would never let go.
            if (batch.Count == 0 && cursor.Integer("id") != 0)
                throw new InvalidDataException("a cursor gives nothing and does not end");
            found.AddRange(batch);
        }

        return found;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _reader.CompleteAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    private async Task<BsonDocument> ExchangeAsync(byte[] message, int request, CancellationToken cancellationToken)
    {
        await _stream.WriteAsync(message, cancellationToken).ConfigureAwait(false);
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            // The reader grows with what arrives, not with what a reply says of itself.
            if (OpMsg.Length(result.Buffer) is { } length && result.Buffer.Length >= length)
            {
                var reply = OpMsg.Decode(result.Buffer.Slice(0, length).ToArray(), request);
                _reader.AdvanceTo(result.Buffer.GetPosition(length));
                return reply;
            }

            _reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted)
                throw new EndOfStreamException("the server closed the connection");
        }
    }

    private static async Task<Stream> OpenAsync(Socket socket, MongoEndpoint endpoint, CancellationToken cancellationToken)
    {
        await socket.ConnectAsync(endpoint.Host, endpoint.Port, cancellationToken).ConfigureAwait(false);
        var plain = new NetworkStream(socket, ownsSocket: true);
        if (endpoint.Tls is not { } tls)
            return plain;
        var encrypted = new SslStream(plain, leaveInnerStreamOpen: false);
        try
        {
            var options = tls.Trust.Expecting(tls.ServerName);
            options.ClientCertificates = tls.Certificate is null ? null : [tls.Certificate];
            await encrypted.AuthenticateAsClientAsync(options, cancellationToken).ConfigureAwait(false);
            return encrypted;
        }
        catch
        {
            await encrypted.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task<T> WithDeadlineAsync<T>(Func<CancellationToken, Task<T>> work, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(patience, TimeProvider.System);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await work(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new TimeoutException($"the server did not answer within {patience.TotalSeconds:0.#} s", exception);
        }
    }

    // Who is asking shows in the server's log. The metadata may stand in a connection's first hello only.
    private static BsonDocument FirstHello() => new()
    {
        { "hello", 1 },
        {
            "client", new BsonDocument
            {
                { "application", new BsonDocument { { "name", "dora-operator" } } },
                { "driver", new BsonDocument { { "name", "dora-operator" }, { "version", "1" } } },
                { "os", new BsonDocument { { "type", "Linux" } } },
            }
        },
    };

    private static ReadOnlySpan<byte> Payload(BsonDocument reply) =>
        reply["payload"]?.Raw is BsonBinary binary ? binary.Bytes.Span : throw new InvalidDataException("the server's answer holds no payload");
}
