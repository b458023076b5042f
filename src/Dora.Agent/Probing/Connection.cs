using System.Globalization;
using System.Net;

namespace Dora.Agent.Probing;

/// <summary>Where to connect to; null where nobody says.</summary>
internal sealed record Connection(IPEndPoint? Address)
{
    /// <summary>Reads <c>NAME=ADDRESS:PORT</c>, or <c>kubernetes</c>.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public static Connection Parse(string text) => text == "kubernetes"
        ? OfApiServer(Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST"), Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT"))
        : IPEndPoint.TryParse(text[(text.LastIndexOf('=') + 1)..], out var address) && address.Port > 0
            ? new(address)
            : throw new FormatException($"'{text}' is not NAME=ADDRESS:PORT with an IP address");

    /// <summary>The API server as a pod is told of it.</summary>
    public static Connection OfApiServer(string? host, string? port) =>
        new(IPAddress.TryParse(host, out var address) && ushort.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? new IPEndPoint(address, number) : (IPEndPoint?)null);
}
