using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace Dora.Testing.MongoDb;

/// <summary>
/// One member of a <see cref="ScriptedReplicaSet"/>: listens on an address of its own, speaks OP_MSG by its bytes, lets nobody do
/// anything before they logged in, and refuses what a real server refuses, with its codes.
/// </summary>
public sealed class ScriptedMongod : IAsyncDisposable
{
    private static readonly string[] ForStrangers = ["hello", "ping", "buildInfo", "saslStart", "saslContinue", "authenticate"];

    private readonly ScriptedReplicaSet _set;
    private readonly CancellationTokenSource _ended = new();
    private readonly List<Task> _conversations = [];
    private TcpListener? _listener;

    internal ScriptedMongod(ScriptedReplicaSet set, string host, IPAddress address, string version) => (_set, Host, Address, Version) = (set, host, address, version);

    /// <summary>Its name in the configuration.</summary>
    public string Host { get; }

    /// <summary>Where it listens.</summary>
    public IPAddress Address { get; }

    /// <summary>Its version.</summary>
    public string Version { get; set; }

    /// <summary>Bytes that are taken of its file system of 1 GiB.</summary>
    public double UsedBytes { get; set; } = 100_000_000;

    /// <summary>How far it is behind the primary.</summary>
    public TimeSpan Lag { get; set; }

    /// <summary>Whether it still copies the data.</summary>
    public bool Copying { get; set; }

    /// <summary>Whether it runs.</summary>
    public bool Up => _listener is not null;

    /// <summary>Its certificate, when it speaks TLS; then it wants one of its clients too.</summary>
    public X509Certificate2? Certificate { get; set; }

    /// <summary>The versions of TLS that it accepts; none stands for all that the system has.</summary>
    public SslProtocols Protocols { get; set; }

    /// <summary>What its files hold since they changed; served once it is told to look.</summary>
    public X509Certificate2? Renewed { get; set; }

    /// <summary>Starts to listen.</summary>
    public void Start()
    {
        _listener = new(Address, ScriptedReplicaSet.Port);
        _listener.Start();
        var listener = _listener;
        _conversations.Add(Task.Run(() => AcceptAsync(listener)));
    }

    /// <summary>Stops to listen; connections that stand are left to end.</summary>
    public void Stop()
    {
        _listener?.Stop();
        _listener = null;
        _set.MemberStopped(this);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener?.Stop();
        foreach (var conversation in _conversations.ToList())
            await conversation;
        _ended.Dispose();
    }

    internal Doc RotateCertificates()
    {
        Certificate = Renewed ?? throw new ScriptedException(2, "BadValue", "Failed to rotate TLS certificates");
        return [];
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await listener.AcceptSocketAsync(_ended.Token);
                open.Add(Task.Run(() => ConverseAsync(socket)));
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ConverseAsync(Socket socket)
    {
        try
        {
            await using Stream plain = new NetworkStream(socket, ownsSocket: true);
            await using var stream = Certificate is null ? plain : await EncryptAsync(plain);
            var session = new ScriptedSession { Subject = (stream as SslStream)?.RemoteCertificate is X509Certificate2 peer ? peer.SubjectName.Name : null };
            while (await ReadAsync(stream) is { } request)
            {
                var reply = Answer(request.Command, session);
                await stream.WriteAsync(Frame(reply, request.Id), _ended.Token);
            }
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or OperationCanceledException or AuthenticationException)
        {
            // As a real server: whoever does not speak the protocol is hung up on.
        }
    }

    private async Task<Stream> EncryptAsync(Stream plain)
    {
        var stream = new SslStream(plain, leaveInnerStreamOpen: false);
        await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificate = Certificate,
            EnabledSslProtocols = Protocols,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is null || certificate.Issuer == Certificate!.Issuer,
        }, _ended.Token);
        return stream;
    }

    private async Task<(int Id, Doc Command)?> ReadAsync(Stream stream)
    {
        var header = new byte[16];
        if (await stream.ReadAtLeastAsync(header, 16, throwOnEndOfStream: false, _ended.Token) < 16)
            return null;
        var length = BitConverter.ToInt32(header);
        if (length is < 26 or > 48_000_000 || BitConverter.ToInt32(header, 12) != 2013 || BitConverter.ToInt32(header, 8) != 0)
            throw new InvalidDataException("not a request");
        var body = new byte[length - 16];
        await stream.ReadExactlyAsync(body, _ended.Token);
        if (BitConverter.ToUInt32(body) != 0 || body[4] != 0)
            throw new InvalidDataException("flags or sections that this server does not know");
        return (BitConverter.ToInt32(header, 4), Bson.Read(body[5..]));
    }

    private static byte[] Frame(Doc reply, int request)
    {
        var body = Bson.Write(reply);
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        foreach (var number in (int[])[21 + body.Length, 7, request, 2013, 0])
            writer.Write(number);
        writer.Write((byte)0);
        writer.Write(body);
        return stream.ToArray();
    }

    private Doc Answer(Doc command, ScriptedSession session)
    {
        var name = command.Count > 0 ? command[0].Key : "";
        try
        {
            var database = command.Need<string>("$db");
            ScriptedFields.Check(name, command);
            if (session.User is null && !ForStrangers.Contains(name))
                throw new ScriptedException(13, "Unauthorized", $"Command {name} requires authentication");
            var reply = name switch
            {
                "hello" => _set.Hello(this, session, command),
                "saslStart" => ScriptedScram.Start(_set, this, session, command),
                "saslContinue" => ScriptedScram.Continue(session, command),
                "authenticate" => ScriptedScram.X509(_set, session, command, database),
                _ => _set.Run(this, name, database, command, session),
            };
            reply.Add("ok", 1.0);
            return reply;
        }
        catch (ScriptedException error)
        {
            return new() { { "ok", 0.0 }, { "errmsg", error.Message }, { "code", error.Code }, { "codeName", error.CodeName } };
        }
    }
}

/// <summary>One connection.</summary>
internal sealed class ScriptedSession
{
    /// <summary>Subject of the client's certificate.</summary>
    public string? Subject { get; init; }

    /// <summary>Who is logged in.</summary>
    public string? User { get; set; }

    /// <summary>Whether it said who it is: only the first hello may.</summary>
    public bool Greeted { get; set; }

    /// <summary>The exchange that is going on.</summary>
    public ScriptedScram? Scram { get; set; }

    /// <summary>What cursors still hold.</summary>
    public Dictionary<long, (string Namespace, List<object?> Left)> Cursors { get; } = [];
}
