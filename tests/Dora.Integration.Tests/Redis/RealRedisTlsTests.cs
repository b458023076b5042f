using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Redis;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Operator.Stacks;
using Dora.Operator.Transport;
using Dora.Testing.Http;
using Xunit;
using CertificateRequest = Dora.Engines.CertificateRequest;

namespace Dora.Integration.Tests.Redis;

/// <summary>Servers and Sentinels that speak TLS only, and certificates that change under them.</summary>
[Collection(RedisPods.Collection)]
public sealed class RealRedisTlsTests(RedisPods pods)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(RedisPlan.Port)]
    [InlineData(RedisPlan.SentinelPort)]
    public async Task Who_speaks_in_the_clear_gets_no_answer(int port)
    {
        await using var stream = await OpenAsync(port);
        await stream.WriteAsync("PING\r\n"u8.ToArray(), Token);
        // An alert of TLS, or the end; never RESP.
        var answer = new byte[16];
        var count = await ReadAsync(stream, answer);
        Assert.True(count == 0 || answer[0] == 21, $"the server answers {Convert.ToHexString(answer, 0, count)}");
    }

    [Theory]
    [InlineData(RedisPlan.Port)]
    [InlineData(RedisPlan.SentinelPort)]
    public async Task The_version_before_the_oldest_one_allowed_is_refused(int port)
    {
        var options = Trust().Expecting(pods.Plan.Names.MemberHost(0));
        options.EnabledSslProtocols = SslProtocols.Tls12;
        await using var stream = new SslStream(await OpenAsync(port));
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync(options, Token));

        await using var newer = new SslStream(await OpenAsync(port));
        await newer.AuthenticateAsClientAsync(Trust().Expecting(pods.Plan.Names.MemberHost(0)), Token);
        Assert.Equal(SslProtocols.Tls13, newer.SslProtocol);
    }

    [Fact]
    public async Task A_server_of_another_name_or_authority_is_not_believed()
    {
        await using var other = new SslStream(await OpenAsync(RedisPlan.Port));
        await Assert.ThrowsAsync<AuthenticationException>(() => other.AuthenticateAsClientAsync(Trust().Expecting("payments-redis-0.elsewhere.compliance.svc"), Token));

        using var stranger = new TestCertificates();
        var target = pods.Target with
        {
            Secrets = new Dictionary<string, IReadOnlyDictionary<string, string>>(pods.Target.Secrets)
            {
                [pods.Plan.Names.CertificateSecret] = new Dictionary<string, string> { [CertificateRequest.Trust] = stranger.AuthorityPem },
            },
        };
        var health = await RedisProbe.RunAsync(pods.Plan, target, Token);
        Assert.Equal((EngineVerdict.Unreachable, "its certificate is not of this stack's authority and for its name"), (health.Verdict, health.Message));
    }

    [Fact]
    public async Task A_renewed_certificate_is_taken_up_while_clients_stay_connected()
    {
        await pods.HealthyAsync();
        var before = await SerialAsync(0, RedisPlan.Port);
        await using var client = await pods.ConnectAsync(0, RedisPlan.Port, RedisPlan.AppUser, RedisPods.AppPassword);
        pods.RenewCertificate();
        Assert.Equal(before, await SerialAsync(0, RedisPlan.Port));

        foreach (var member in pods.Target.Members)
        {
            await RedisTls.ReloadAsync(pods.Plan, member.Name, pods.Target, Token);
            await RedisTls.RestartSentinelAsync(pods.Plan, member.Name, pods.Target, Token);
            await pods.EndedAsync(member.Ordinal, "sentinel");
            await pods.HealthyAsync();
        }

        var wanted = X509Certificate2.CreateFromPem(pods.Target.Credential(pods.Plan.Names.CertificateSecret, CertificateRequest.Chain)).SerialNumber;
        Assert.NotEqual(before, wanted);
        foreach (var member in pods.Target.Members)
        {
            Assert.Equal(wanted, await SerialAsync(member.Ordinal, RedisPlan.Port));
            Assert.Equal(wanted, await SerialAsync(member.Ordinal, RedisPlan.SentinelPort));
        }

        Assert.Equal("PONG", (await client.SendAsync(Token, "PING")).Text);
    }

    [Fact]
    public async Task Nobody_is_master_beside_a_Sentinel_that_starts_anew_for_its_certificate()
    {
        await pods.HealthyAsync();
        pods.RenewCertificate();
        foreach (var member in pods.Target.Members)
            await RedisTls.ReloadAsync(pods.Plan, member.Name, pods.Target, Token);

        var said = new List<string>();
        // What else a probe may find amiss for a moment is said too, and is no matter here.
        while (said.Count < 8 && await CommandAsync() is { } command)
        {
            if (command.Name is EngineCommand.InterruptForCertificate or RedisCommands.Failover)
                said.Add(command.Name);
            if (command.Name == EngineCommand.InterruptForCertificate)
            {
                Assert.NotEqual(command.Subject, (await RedisProbe.RunAsync(pods.Plan, pods.Target, Token)).Primary);
                await pods.EndedAsync(pods.Target.Members.First(member => member.Name == command.Subject).Ordinal, "sentinel");
            }
        }

        Assert.Equal([EngineCommand.InterruptForCertificate, EngineCommand.InterruptForCertificate, RedisCommands.Failover, EngineCommand.InterruptForCertificate], said);
        await pods.HealthyAsync();
    }

    // What the operator says next, by what the ports show and the Sentinels answer, said to the servers; null when all serve the new certificate.
    private async Task<EngineCommand?> CommandAsync()
    {
        var health = await pods.HealthyAsync();
        var observed = await ObservedAsync(health);
        var engine = Assert.Single(StackPlanner.Plan(observed).Engines);
        var command = engine.Cluster.Commands(engine.Observed).Concat(EncryptionRules.Commands(engine, observed)).FirstOrDefault();
        if (command is not null)
            await engine.Cluster.ExecuteAsync(command, pods.Target, Token);
        return command;
    }

    private async Task<StackObservation> ObservedAsync(EngineHealth health)
    {
        var names = pods.Plan.Names;
        var stack = StackFile.Read($"{{apiVersion: {StackResource.ApiVersion}, kind: {StackResource.Kind}, metadata: {{name: {names.Stack.Name}, namespace: {names.Stack.Namespace}, uid: u}}, spec: {{tier: Development, engines: {{redis: {{mode: Sentinel}}}}}}}}")[0];
        var observed = StackObservation.Nowhere(stack, new()) with
        {
            Pods = [.. pods.Target.Members.Select(member => new Pod(
                new(member.Name, names.Stack.Namespace, Uid: member.Name, Labels: new Dictionary<string, string> { [Labels.Engine] = "redis" }),
                Status: new(PodIP: member.Address, Conditions: [new("Ready", "True")])))],
            Credentials = new Dictionary<string, SecretReading> { [names.CertificateSecret] = new SecretReading.Found(pods.Target.Secrets[names.CertificateSecret], true) },
            Health = new Dictionary<string, EngineHealth> { ["redis"] = health },
        };
        var targets = EncryptionRules.Ports(StackPlanner.Plan(observed), observed).ToList();
        var findings = await Task.WhenAll(targets.Select(target => TransportProbe.MeasureAsync(target, Trust(), TlsVersion.Tls13, Token)));
        return observed with { Ports = [.. targets.Zip(findings).Select(pair => new MeasuredPort(pair.First, pair.Second, 0))] };
    }

    private ServerTrust Trust() => pods.Target.Trust(pods.Plan.Names.CertificateSecret);

    private async Task<string> SerialAsync(int ordinal, int port)
    {
        await using var stream = new SslStream(await OpenAsync(port, ordinal));
        await stream.AuthenticateAsClientAsync(Trust().Expecting(pods.Plan.Names.MemberHost(ordinal)), Token);
        return ((X509Certificate2)stream.RemoteCertificate!).SerialNumber;
    }

    private static async Task<NetworkStream> OpenAsync(int port, int ordinal = 0)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(RedisPods.Address(ordinal), port, Token);
        return new(socket, ownsSocket: true);
    }

    private static async Task<int> ReadAsync(NetworkStream stream, byte[] answer)
    {
        try
        {
            return await stream.ReadAsync(answer, Token);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
