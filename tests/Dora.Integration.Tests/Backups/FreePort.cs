using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Dora.Integration.Tests.Backups;

/// <summary>A port of the loopback address that nobody listens on.</summary>
internal static class FreePort
{
    public static string Next()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture);
    }
}
