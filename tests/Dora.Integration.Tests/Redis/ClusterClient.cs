using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Dora.Engines.Redis;

namespace Dora.Integration.Tests.Redis;

/// <summary>An application that speaks the cluster's protocol: goes where MOVED and ASK send it, and tries again while nobody serves.</summary>
internal sealed class ClusterClient(RedisClusterPods pods) : IAsyncDisposable
{
    private readonly Dictionary<int, RespClient> clients = [];
    private readonly Dictionary<int, int> owners = [];

    /// <summary>The slot of a key: CRC16 (XMODEM) of it, modulo 16384 (Redis documentation, "Cluster specification").</summary>
    public static int Slot(string key)
    {
        var crc = 0;
        foreach (var value in Encoding.UTF8.GetBytes(key))
        {
            crc ^= value << 8;
            for (var bit = 0; bit < 8; bit++)
                crc = ((crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0)) & 0xffff;
        }

        return crc % SlotRange.All;
    }

    public async Task<string?> SayAsync(string command, string key, CancellationToken cancellationToken, params string[] rest)
    {
        var slot = Slot(key);
        var asking = false;
        for (var tries = 0; tries < 400; tries++)
        {
            var ordinal = owners.GetValueOrDefault(slot);
            try
            {
                if (!clients.TryGetValue(ordinal, out var client))
                    clients[ordinal] = client = await pods.ConnectAsync(pods.Member(ordinal), RedisPlan.AppUser, RedisClusterPods.AppPassword, cancellationToken);
                if (asking)
                    await client.SendAsync(cancellationToken, "ASKING");
                return (await client.SendAsync(cancellationToken, [command, key, .. rest])).Text;
            }
            catch (RespException redirect) when (redirect.Code is "MOVED" or "ASK")
            {
                var host = redirect.Message.Split(' ')[2].Split(':')[0];
                owners[slot] = int.Parse(RedisProbe.Pod(host)!.Split('-')[^1], CultureInfo.InvariantCulture);
                asking = redirect.Code == "ASK";
            }
            catch (Exception trouble) when (trouble is SocketException or IOException or AuthenticationException or RespException { Code: "CLUSTERDOWN" or "TRYAGAIN" or "LOADING" or "MASTERDOWN" })
            {
                if (clients.Remove(ordinal, out var broken))
                    await broken.DisposeAsync();
                owners[slot] = (ordinal + 1) % pods.Replicas;
                asking = false;
                await Task.Delay(50, cancellationToken);
            }
        }

        throw new TimeoutException($"nobody serves slot {slot}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in clients.Values)
            await client.DisposeAsync();
    }
}
