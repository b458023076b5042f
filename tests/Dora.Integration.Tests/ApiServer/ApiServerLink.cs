using System.Net;
using System.Net.Sockets;
using Dora.Kubernetes.Model;

namespace Dora.Integration.Tests.ApiServer;

/// <summary>A way to an API server that can be cut and mended, while the server goes on for everybody else. Bytes pass through as they are.</summary>
internal sealed class ApiServerLink : IAsyncDisposable
{
    private readonly Uri _target;
    private readonly string _folder;
    private readonly IPEndPoint _address;
    private CancellationTokenSource _open = new();
    private TcpListener _listener = new(IPAddress.Loopback, 0);
    private Task _serving;

    private ApiServerLink(Uri target, string folder)
    {
        (_target, _folder) = (target, folder);
        _listener.Start();
        _address = (IPEndPoint)_listener.LocalEndpoint;
        _serving = ServeAsync(_listener, _open.Token);
    }

    /// <summary>The given kubeconfig, but over this link.</summary>
    public string Kubeconfig => Path.Combine(_folder, "kubeconfig");

    /// <summary>Opens a link to the server of a kubeconfig.</summary>
    public static async Task<ApiServerLink> OpenAsync(string kubeconfig)
    {
        var config = KubeYaml.Read(await File.ReadAllTextAsync(kubeconfig))!;
        var cluster = config["clusters"]![0]!["cluster"]!;
        var link = new ApiServerLink(new((string)cluster["server"]!), Directory.CreateTempSubdirectory("dora-link").FullName);
        cluster["server"] = $"https://{link._address}";
        cluster["tls-server-name"] = link._target.Host;
        // JSON is YAML.
        await File.WriteAllTextAsync(link.Kubeconfig, config.ToJsonString());
        return link;
    }

    /// <summary>Ends every connection and refuses new ones.</summary>
    public async Task CutAsync()
    {
        _listener.Stop();
        await _open.CancelAsync();
        await _serving;
    }

    /// <summary>Serves again at the same address.</summary>
    public void Mend()
    {
        _open.Dispose();
        _open = new();
        _listener = new(_address);
        _listener.Start();
        _serving = ServeAsync(_listener, _open.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await CutAsync();
        _open.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task ServeAsync(TcpListener listener, CancellationToken cancellationToken)
    {
        List<Task> connections = [];
        try
        {
            while (true)
                connections.Add(ForwardAsync(await listener.AcceptTcpClientAsync(cancellationToken), cancellationToken));
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ForwardAsync(TcpClient near, CancellationToken cancellationToken)
    {
        using (near)
        {
            using var far = new TcpClient();
            try
            {
                await far.ConnectAsync(_target.Host, _target.Port, cancellationToken);
                var (there, back) = (near.GetStream(), far.GetStream());
                await await Task.WhenAny(there.CopyToAsync(back, cancellationToken), back.CopyToAsync(there, cancellationToken));
            }
            catch (Exception ended) when (ended is OperationCanceledException or SocketException or IOException)
            {
                // Either end is gone: closing both tells the other.
            }
        }
    }
}
