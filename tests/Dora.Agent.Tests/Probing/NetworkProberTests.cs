using System.Net;
using System.Net.Sockets;
using Dora.Agent.Probing;
using Dora.Testing;

namespace Dora.Agent.Tests.Probing;

/// <summary>Connections to real sockets.</summary>
public sealed class NetworkProberTests : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Socket _full = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _waiting = [];
    private readonly IPEndPoint _refusing;

    public NetworkProberTests()
    {
        _listener.Start();
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        _refusing = (IPEndPoint)closed.LocalEndpoint;
        _full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _full.Listen(0);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private Connection Accepting => new((IPEndPoint)_listener.LocalEndpoint);

    public void Dispose()
    {
        _listener.Dispose();
        _full.Dispose();
        foreach (var socket in _waiting)
            socket.Dispose();
    }

    [Fact]
    public async Task Reached_refused_and_unanswered_are_told_apart_in_the_order_asked()
    {
        var report = await Prober().ProbeAsync([Accepting], [new(_refusing), Accepting, Silent(), new(new IPEndPoint(IPAddress.Broadcast, 9)), new((IPEndPoint?)null)], Token);
        Assert.Equal([ProbeOutcome.Open], report.Controls);
        Assert.Equal([ProbeOutcome.Refused, ProbeOutcome.Open, ProbeOutcome.TimedOut], report.Targets.Take(3));
        Assert.DoesNotContain(ProbeOutcome.Open, report.Targets.Skip(3));
    }

    [Fact]
    public async Task What_must_be_possible_is_tried_until_it_is_and_not_for_ever()
    {
        var late = Prober(new() { Controls = TimeSpan.FromMinutes(1) }).ProbeAsync([new(_refusing)], [], Token);
        using var listener = new TcpListener(_refusing);
        listener.Start();
        Assert.Equal([ProbeOutcome.Open], (await late).Controls);

        listener.Stop();
        Assert.Equal([ProbeOutcome.Refused], (await Prober().ProbeAsync([new(_refusing)], [], Token)).Controls);
    }

    [Fact]
    public async Task What_is_possible_at_first_and_not_later_is_not_held_against_the_network()
    {
        var clock = new ManualClock();
        var running = new NetworkProber(new() { Patience = TimeSpan.FromMinutes(1), Settling = TimeSpan.FromSeconds(10) }, clock).ProbeAsync([], [Accepting], Token);
        using (await _listener.AcceptTcpClientAsync(Token))
            _listener.Stop();
        await clock.TimerWithinAsync(TimeSpan.FromSeconds(10));
        clock.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([ProbeOutcome.Refused], (await running).Targets);
    }

    [Fact]
    public async Task The_command_writes_a_letter_for_each_connection_and_prints_them_with_their_names()
    {
        var (report, output) = (Path.GetTempFileName(), new StringWriter());
        try
        {
            var code = await ProbeNetworkCommand.Create()
                .Parse(["--control", $"db=127.0.0.1:{Accepting.Address!.Port}", "--target", $"shop-redis-0=127.0.0.1:{_refusing.Port}", "--report", report])
                .InvokeAsync(new() { Output = output }, Token);
            Assert.Equal(0, code);
            Assert.Equal("""{"probe":1,"controls":"o","targets":"r"}""", await File.ReadAllTextAsync(report, Token));
            Assert.Contains($"shop-redis-0=127.0.0.1:{_refusing.Port} Refused", output.ToString(), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(report);
        }
    }

    [Theory]
    [InlineData("db=10.0.0.1:5432", "10.0.0.1:5432")]
    [InlineData("db=[fd00::1]:5432", "[fd00::1]:5432")]
    [InlineData("10.0.0.1:1", "10.0.0.1:1")]
    public void Connections_are_read(string text, string address) => Assert.Equal(address, Connection.Parse(text).Address!.ToString());

    [Theory]
    [InlineData("db=example.org:5432")]
    [InlineData("db=10.0.0.1")]
    [InlineData("")]
    public void What_is_no_connection_is_refused(string text)
    {
        var parse = ProbeNetworkCommand.Create().Parse(["--target", text]);
        Assert.Contains("NAME=ADDRESS:PORT", Assert.Single(parse.Errors).Message, StringComparison.Ordinal);
        Assert.Empty(ProbeNetworkCommand.Create().Parse(["--control", "kubernetes", "--target", "a=10.0.0.1:1", "--target", "[fd00::1]:1"]).Errors);
    }

    [Fact]
    public void The_API_server_is_where_pods_are_told()
    {
        Assert.Equal("10.96.0.1:443", Connection.OfApiServer("10.96.0.1", "443").Address!.ToString());
        Assert.Null(Connection.OfApiServer(null, "443").Address);
        Assert.Null(Connection.OfApiServer("10.96.0.1", "many").Address);
    }

    // Times of real sockets, which no manual clock moves.
    private static NetworkProber Prober(ProbeTimes? times = null) => new(
        (times ?? new() { Controls = TimeSpan.FromMilliseconds(50) }) with { Patience = TimeSpan.FromMilliseconds(400), Pause = TimeSpan.FromMilliseconds(20), Settling = TimeSpan.FromMilliseconds(20) }, TimeProvider.System);

    // A listener whose queue is full: Linux drops what comes then, as a network does that lets nothing through.
    private Connection Silent()
    {
        var address = (IPEndPoint)_full.LocalEndPoint!;
        for (var i = 0; i < 4; i++)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _waiting.Add(socket);
            try
            {
                socket.Connect(address);
            }
            catch (SocketException)
            {
                // It is under way.
            }
        }

        return new(address);
    }
}
