using System.Globalization;
using System.Net;

namespace Dora.Agent.Probing;

/// <summary>Where to connect to; null where nobody says.</summary>
internal sealed record Connection(IPEndPoint? Address)
{
    private const string ApiServer = "kubernetes";

    /// <summary>Whether a text names a connection.</summary>
    public static bool IsOne(string text) => text == ApiServer || Endpoint(text) is not null;

    /// <summary>Reads <c>NAME=ADDRESS:PORT</c>, or <c>kubernetes</c>; of anything else the address is null.</summary>
    public static Connection Parse(string text) => text == ApiServer
        ? OfApiServer(Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST"), Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT"))
        : new(Endpoint(text));

    /// <summary>The API server as a pod is told of it.</summary>
    public static Connection OfApiServer(string? host, string? port) =>
        new(IPAddress.TryParse(host, out var address) && ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new IPEndPoint(address, number) : (IPEndPoint?)null);

    private static IPEndPoint? Endpoint(string text) =>
        IPEndPoint.TryParse(text[(text.LastIndexOf('=') + 1)..], out var address) && address.Port > 0 ? address : null;
}
