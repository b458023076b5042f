using System.Text.Json.Nodes;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Testing.ApiServer;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

public sealed class BurstTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task A_watch_still_delivers_a_single_event_after_a_burst(int watches)
    {
        await using var server = await InMemoryApiServer.StartAsync(new(NamespacesExistByThemselves: true, Tls: true));
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, server.Kubeconfig(), TestContext.Current.CancellationToken);
        using var client = new KubeClient(KubeConfig.Load(file), new(), TimeProvider.System, NullLogger<KubeClient>.Instance);
        using var stop = new CancellationTokenSource();
        var informers = Enumerable.Range(0, watches).Select(_ => new Informer<Service>(client, KubeTypes.Services, new(), TimeProvider.System, NullLogger.Instance)).ToList();
        var gone = new TaskCompletionSource[watches];
        for (var i = 0; i < watches; i++)
        {
            var done = gone[i] = new(TaskCreationOptions.RunContinuationsAsynchronously);
            informers[i].Subscribe(change =>
            {
                if (change.New is null)
                    done.TrySetResult();
            });
        }

        var running = informers.Select(informer => informer.RunAsync(stop.Token)).ToList();
        await Task.WhenAll(informers.Select(informer => informer.Synced)).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        for (var i = 0; i < 1400; i++)
            server.Create(KubeTypes.Services.Resource, "compliance", Service(i));
        for (var i = 0; i < 400; i++)
            server.Patch(KubeTypes.Services.Resource, "compliance", $"s{i}", new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["touched"] = $"{i}" } } });
        server.Delete(KubeTypes.Services.Resource, "compliance", "s7");
        await Task.WhenAll(gone.Select(one => one.Task)).WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.All(informers, informer => Assert.Equal(1399, informer.Store.Count));
        await stop.CancelAsync();
        await Task.WhenAll(running);
        File.Delete(file);
    }

    private static JsonObject Service(int number) => new()
    {
        ["apiVersion"] = "v1",
        ["kind"] = "Service",
        ["metadata"] = new JsonObject { ["name"] = $"s{number}", ["namespace"] = "compliance", ["labels"] = new JsonObject { ["filler"] = new string('x', 60) } },
        ["spec"] = new JsonObject { ["selector"] = new JsonObject { ["a"] = "b" }, ["ports"] = new JsonArray(new JsonObject { ["port"] = 1, ["name"] = "p", ["protocol"] = "TCP" }) },
    };
}
