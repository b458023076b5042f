using System.Net;
using System.Net.Sockets;
using System.Text;
using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.Tests.MongoDb;

/// <summary>The client against servers that do not speak the protocol, or misuse it.</summary>
public sealed class MongoClientTests
{
    private static readonly BsonDocument Ok = new() { { "ok", 1.0 } };

    [Fact]
    public void A_command_has_the_bytes_that_other_drivers_send() => Assert.Equal(
        "34000000" + "07000000" + "00000000" + "DD070000" + "00000000" + "00" + "1F000000" + "10" + "68656C6C6F00" + "01000000" + "02" + "24646200" + "06000000" + "61646D696E00" + "00",
        Convert.ToHexString(OpMsg.Encode(7, new() { { "hello", 1 }, { "$db", "admin" } })));

    [Fact]
    public async Task A_server_that_closes_in_the_middle_of_a_reply_is_an_error_and_no_hang() =>
        await Assert.ThrowsAsync<EndOfStreamException>(() => AskAsync(id => Reply(Ok, id)[..^1]));

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up_after_the_deadline()
    {
        await using var server = new RawServer(_ => null);
        await using var client = await server.ConnectAsync();
        var exception = await Assert.ThrowsAsync<TimeoutException>(() => client.RunAsync("admin", new() { { "ping", 1 } }, TimeSpan.FromMilliseconds(50), CancellationToken.None));
        Assert.Contains("0.1 s", exception.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<IOException>(() => client.RunAsync("admin", new() { { "ping", 1 } }, CancellationToken.None));
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_told_so_and_not_of_a_deadline()
    {
        await using var server = new RawServer(_ => null);
        await using var client = await server.ConnectAsync();
        using var giveUp = new CancellationTokenSource();
        var asking = client.RunAsync("admin", new() { { "ping", 1 } }, giveUp.Token);
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
    }

    public static TheoryData<string, Func<int, byte[]>> Hostile { get; } = new()
    {
        { "a length of two gigabytes", id => Change(Reply(Ok, id), 0, int.MaxValue) },
        { "a length of more than is allowed", id => Change(Reply(Ok, id), 0, OpMsg.LargestReply + 1) },
        { "a negative length", id => Change(Reply(Ok, id), 0, -1) },
        { "a length shorter than the header", id => Change(Reply(Ok, id), 0, 15) },
        { "a length shorter than the message", id => Change(Reply(Ok, id), 0, 30) },
        { "an answer to another request", id => Reply(Ok, id + 1) },
        { "another kind of message", id => Change(Reply(Ok, id), 12, 2012) },
        { "a checksum that nobody asked for", id => Change(Reply(Ok, id), 16, 1) },
        { "more replies that nobody asked for", id => Change(Reply(Ok, id), 16, 2) },
        { "a flag that must be understood and is not", id => Change(Reply(Ok, id), 16, 1 << 15) },
        { "a section of another kind", id => Change(Reply(Ok, id), 20, 1) },
        { "a document that is none", id => Change(Reply(Ok, id), 21, 4) },
        { "neither ok nor not", id => Reply([], id) },
        { "ok of a wrong type", id => Reply(new() { { "ok", "yes" } }, id) },
        { "no MongoDB at all", _ => Encoding.ASCII.GetBytes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") },
    };

    [Theory, MemberData(nameof(Hostile))]
    public async Task What_the_protocol_does_not_allow_is_refused(string what, Func<int, byte[]> reply) =>
        Assert.True((await Assert.ThrowsAsync<InvalidDataException>(() => AskAsync(reply))).Message.Length > 0, what);

    [Fact]
    public async Task Flags_that_may_be_ignored_are() => Assert.NotNull(await AskAsync(id => Change(Reply(Ok, id), 16, 1 << 16)));

    [Fact]
    public async Task A_reply_that_comes_byte_by_byte_is_read()
    {
        await using var server = new RawServer(id => Reply(Ok, id), oneByOne: true);
        await using var client = await server.ConnectAsync();
        Assert.Equal(Ok, await client.RunAsync("admin", new() { { "ping", 1 } }, CancellationToken.None));
        Assert.Equal(Ok, await client.RunAsync("admin", new() { { "ping", 1 } }, CancellationToken.None));
    }

    [Fact]
    public async Task A_refusal_carries_its_code_and_no_more_text_than_a_status_can_hold()
    {
        var refusal = new BsonDocument { { "ok", 0.0 }, { "code", 13 }, { "codeName", "Unauthorized" }, { "errmsg", new string('x', 100_000) } };
        var exception = await Assert.ThrowsAsync<MongoException>(() => AskAsync(id => Reply(refusal, id)));
        Assert.Equal((13, "Unauthorized"), (exception.Code, exception.CodeName));
        Assert.True(exception.Message.Length < 600);
    }

    [Fact]
    public async Task A_write_that_was_not_confirmed_is_a_failure() => Assert.Equal(64, (await Assert.ThrowsAsync<MongoException>(() => AskAsync(id => Reply(
        new() { { "ok", 1.0 }, { "writeConcernError", new BsonDocument { { "code", 64 }, { "codeName", "WriteConcernTimeout" }, { "errmsg", "waiting for replication timed out" } } } }, id)))).Code);

    [Fact]
    public async Task A_cursor_that_never_ends_is_let_go()
    {
        static BsonDocument Page(string batch) => new() { { "ok", 1.0 }, { "cursor", new BsonDocument { { "id", 5L }, { "ns", "a.b" }, { batch, new BsonArray() } } } };
        await using var server = new RawServer(id => Reply(Page(id == 1 ? "firstBatch" : "nextBatch"), id));
        await using var client = await server.ConnectAsync();
        await Assert.ThrowsAsync<InvalidDataException>(() => client.ListAsync("a", new() { { "listCollections", 1 } }, CancellationToken.None));
    }

    [Fact]
    public async Task Random_replies_are_answers_or_are_refused()
    {
        var random = new Random(20261121);
        await using var server = new RawServer(id =>
        {
            var reply = Reply(new() { { "ok", 1.0 }, { "cursor", new BsonDocument { { "id", 0L }, { "firstBatch", new BsonArray("x") } } } }, id);
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                reply[random.Next(reply.Length)] = (byte)random.Next(256);
            return reply;
        });
        for (var round = 0; round < 300; round++)
        {
            await using var client = await server.ConnectAsync();
            try
            {
                await client.RunAsync("admin", new() { { "ping", 1 } }, TimeSpan.FromMilliseconds(20), CancellationToken.None);
            }
            catch (Exception exception) when (exception is InvalidDataException or MongoException or TimeoutException or EndOfStreamException)
            {
                // Refused, or longer than what came: the connection is over.
            }
        }
    }

    [Fact]
    public async Task A_server_that_skips_the_proof_is_not_believed()
    {
        await using var server = new RawServer(id => Reply(new() { { "ok", 1.0 }, { "conversationId", 1 }, { "done", true }, { "payload", "v=AAAA"u8.ToArray() } }, id));
        await using var client = await server.ConnectAsync();
        await Assert.ThrowsAsync<InvalidDataException>(() => client.AuthenticateAsync("admin", "secret", CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(() => client.RunAsync("admin", new() { { "ping", 1 } }, CancellationToken.None));
    }

    [Fact]
    public void A_hello_of_wrong_types_says_nothing() => Assert.Equal(MongoHello.Unknown, MongoHello.Parse(new()
    {
        { "setName", 1 }, { "isWritablePrimary", "true" }, { "secondary", 1 }, { "electionId", "x" }, { "maxWireVersion", "25" }, { "primary", BsonValue.Null },
    }));

    private static async Task<BsonDocument> AskAsync(Func<int, byte[]> reply)
    {
        await using var server = new RawServer(reply, closing: true);
        await using var client = await server.ConnectAsync();
        return await client.RunAsync("admin", new() { { "ping", 1 } }, CancellationToken.None);
    }

    private static byte[] Reply(BsonDocument document, int request)
    {
        var bytes = OpMsg.Encode(1, document);
        return Change(bytes, 8, request);
    }

    private static byte[] Change(byte[] bytes, int position, int value)
    {
        BitConverter.TryWriteBytes(bytes.AsSpan(position), value);
        return bytes;
    }

    /// <summary>Answers every request with bytes from a function of its number, or not at all.</summary>
    private sealed class RawServer : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _ended = new();
        private readonly Task _serving;

        public RawServer(Func<int, byte[]?> reply, bool oneByOne = false, bool closing = false)
        {
            _listener.Start();
            _serving = Task.Run(() => ServeAsync(reply, oneByOne, closing));
        }

        public async Task<MongoClient> ConnectAsync()
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(_listener.LocalEndpoint);
            return new(new NetworkStream(socket, ownsSocket: true));
        }

        public async ValueTask DisposeAsync()
        {
            await _ended.CancelAsync();
            await _serving;
            _listener.Dispose();
            _ended.Dispose();
        }

        private async Task ServeAsync(Func<int, byte[]?> reply, bool oneByOne, bool closing)
        {
            var serving = new List<Task>();
            try
            {
                while (true)
                    serving.Add(ConverseAsync(await _listener.AcceptSocketAsync(_ended.Token), reply, oneByOne, closing));
            }
            catch (OperationCanceledException)
            {
                await Task.WhenAll(serving);
            }
        }

        private async Task ConverseAsync(Socket socket, Func<int, byte[]?> reply, bool oneByOne, bool closing)
        {
            try
            {
                socket.NoDelay = true;
                await using var stream = new NetworkStream(socket, ownsSocket: true);
                var header = new byte[16];
                while (await stream.ReadAtLeastAsync(header, 16, throwOnEndOfStream: false, _ended.Token) == 16)
                {
                    await stream.ReadExactlyAsync(new byte[BitConverter.ToInt32(header) - 16], _ended.Token);
                    if (reply(BitConverter.ToInt32(header, 4)) is not { } bytes)
                        continue;
                    foreach (var part in oneByOne ? bytes.Select(single => (byte[])[single]) : [bytes])
                        await stream.WriteAsync(part, _ended.Token);
                    if (closing)
                        return;
                }
            }
            catch (Exception exception) when (exception is IOException or OperationCanceledException)
            {
                // The client hung up, or the test is over.
            }
        }
    }
}
