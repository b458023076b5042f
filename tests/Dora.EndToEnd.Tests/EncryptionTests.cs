using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>What real pods do about who speaks in the clear, and about a certificate that changes under their clients.</summary>
public sealed class EncryptionTests(Cluster cluster)
{
    private const string Stack = "sealed";

    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Nobody_is_answered_in_the_clear_and_renewed_certificates_are_taken_up_while_clients_write()
    {
        await cluster.ApplyAsync(Stack, "{tier: Development, engines: {postgres: {instances: 2, pooler: {instances: 1}}, redis: {mode: Sentinel}}}");
        await cluster.ReadyAsync(Stack);
        var before = await CertificatesAsync(_ => true);
        // PostgreSQL may say why (an error, not a question for a password), Redis says nothing that is not TLS.
        Assert.Contains(await AnswerAsync("sealed-postgres", 5432, [0, 0, 0, 31, 0, 3, 0, 0, .. "user\0app\0database\0app\0\0"u8]), (byte?[])[null, (byte)'E']);
        Assert.Contains(await AnswerAsync("sealed-redis", 6379, [.. "PING\r\n\r\n"u8]), (byte?[])[null, 21]);

        var postgres = await PostgresApplication.ConnectAsync(cluster, Stack);
        var redis = await RedisApplication.ConnectAsync(cluster, Stack);
        await using var rows = postgres.Write("renewal");
        await using var keys = redis.Write("renewal");
        await Task.WhenAll(rows.MoreAsync(20, _patience), keys.MoreAsync(20, _patience));
        await cluster.AnnotateAsync(Stack, Labels.RenewCertificates, "now");
        var after = await CertificatesAsync(now => before.All(old => now.TryGetValue(old.Key, out var serial) && serial != old.Value));
        foreach (var pod in await cluster.ListAsync(KubeTypes.Pods, $"{Labels.Stack}={Stack}"))
        {
            var engine = pod.Metadata.Label(Labels.Engine)!;
            foreach (var port in engine switch { "postgres" => [5432], "postgres-pooler" => [6432], _ => (int[])[6379, 26379] })
                await ServedAsync(pod, port, after[$"sealed-{engine}-tls"]);
        }

        await Task.WhenAll(rows.MoreAsync(20, _patience), keys.MoreAsync(20, _patience));
        await Task.WhenAll(rows.StopAsync(), keys.StopAsync());
        TestContext.Current.TestOutputHelper?.WriteLine($"certificates renewed: outage seen by the client: PostgreSQL {rows.Outage.TotalSeconds:F1} s, Redis {keys.Outage.TotalSeconds:F1} s");
        Assert.Empty(rows.Acknowledged.Except(await postgres.ReadAsync("renewal")));
        Assert.Empty(keys.Acknowledged.Except(await redis.ReadAsync("renewal")));
        var stack = await cluster.UntilAsync(StackResource.Type, Stack, stack => stack.Status?.Conditions?.FirstOrDefault(condition => condition.Type == ConditionTypes.EncryptedInTransit) is { Status: "True" }, _patience, "encrypted, as measured");
        Assert.Equal("PolicyMet", stack.Status!.Conditions!.First(condition => condition.Type == ConditionTypes.EncryptedInTransit).Reason);
        await cluster.DeleteStackAsync(Stack);
    }

    // Serial numbers by Secret, from the register.
    private async Task<Dictionary<string, string>> CertificatesAsync(Func<Dictionary<string, string>, bool> wanted)
    {
        static Dictionary<string, string> Of(ComplianceStack stack) =>
            (stack.Status?.Certificates ?? []).Where(certificate => certificate is { Serial: not null, DnsNames: not null }).ToDictionary(certificate => certificate.SecretName, certificate => certificate.Serial!);
        return Of(await cluster.UntilAsync(StackResource.Type, Stack, stack => Of(stack) is { Count: 3 } found && wanted(found), _patience, "issued certificates"));
    }

    // The kubelet brings the files a minute after the Secret changed, of which no object tells.
    private static async Task ServedAsync(Pod pod, int port, string serial)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(_patience);
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        string? served = null;
        try
        {
            while (served != serial)
            {
                await timer.WaitForNextTickAsync(patience.Token);
                served = await SerialAsync(pod.Status!.PodIP!, port, patience.Token);
            }
        }
        catch (OperationCanceledException late) when (!Token.IsCancellationRequested)
        {
            throw new TimeoutException($"{pod.Metadata.Name}:{port} serves {served}, not {serial}", late);
        }
    }

    private static async Task<string?> SerialAsync(string address, int port, CancellationToken cancellationToken)
    {
        try
        {
            await using var stream = await OpenAsync(address, port, cancellationToken);
            if (port is 5432 or 6432)
            {
                await stream.WriteAsync(new byte[] { 0, 0, 0, 8, 4, 210, 22, 47 }, cancellationToken);
                await stream.ReadExactlyAsync(new byte[1], cancellationToken);
            }

            string? serial = null;
            await using var tls = new SslStream(stream);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "any",
                RemoteCertificateValidationCallback = (_, certificate, _, _) => (serial = ((X509Certificate2)certificate!).SerialNumber) is not null,
            }, cancellationToken);
            return serial;
        }
        catch (Exception away) when (away is SocketException or IOException)
        {
            return null;
        }
    }

    // The first byte of the answer of a Service; null when the server just closes.
    private async Task<byte?> AnswerAsync(string service, int port, byte[] words)
    {
        byte? answer = null;
        var address = await cluster.AddressAsync(service);
        await Writer.UntilDoneAsync(async token =>
        {
            await using var stream = await OpenAsync(address, port, token);
            answer = await SaidToAsync(stream, words, token);
        });
        return answer;
    }

    private static async Task<byte?> SaidToAsync(NetworkStream stream, byte[] words, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(words, cancellationToken);
            var first = new byte[1];
            return await stream.ReadAtLeastAsync(first, 1, throwOnEndOfStream: false, cancellationToken) == 0 ? null : first[0];
        }
        catch (IOException)
        {
            // It ended the connection in the middle of the sentence.
            return null;
        }
    }

    private static async Task<NetworkStream> OpenAsync(string address, int port, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address, port, cancellationToken);
        return new(socket, ownsSocket: true);
    }
}
