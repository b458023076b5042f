using Dora.Testing.ApiServer;
using Dora.Testing.ApiServer.Contract;
using Xunit;

[assembly: AssemblyFixture(typeof(Dora.Kubernetes.Tests.ApiServer.InMemoryServer))]

namespace Dora.Kubernetes.Tests.ApiServer;

/// <summary>One in-memory server for the whole contract, and two for those who may not.</summary>
public sealed class InMemoryServer : IApiServerUnderTest, IAsyncLifetime
{
    private InMemoryApiServer? server;
    private InMemoryApiServer? closed;
    private InMemoryApiServer? guarded;

    public HttpClient Http { get; } = new();

    public HttpClient WithoutRights { get; } = new();

    public HttpClient Unknown { get; } = new();

    public Task CompactAsync()
    {
        server!.Compact();
        return Task.CompletedTask;
    }

    public async ValueTask InitializeAsync()
    {
        server = await InMemoryApiServer.StartAsync();
        closed = await InMemoryApiServer.StartAsync();
        closed.Access.Deny(new());
        guarded = await InMemoryApiServer.StartAsync();
        guarded.Access.RequiredToken = "secret";
        (Http.BaseAddress, WithoutRights.BaseAddress, Unknown.BaseAddress) = (server.Address, closed.Address, guarded.Address);
        Http.DefaultRequestHeaders.UserAgent.ParseAdd("contract/1");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in new[] { Http, WithoutRights, Unknown })
            client.Dispose();
        foreach (var one in new[] { server, closed, guarded })
            await (one?.DisposeAsync() ?? ValueTask.CompletedTask);
    }
}

public sealed class InMemoryObjectTests(InMemoryServer server) : ObjectContract(server);

public sealed class InMemoryApplyTests(InMemoryServer server) : ApplyContract(server);

public sealed class InMemoryListWatchTests(InMemoryServer server) : ListWatchContract(server);

public sealed class InMemoryDeletionTests(InMemoryServer server) : DeletionContract(server);

public sealed class InMemoryCustomResourceTests(InMemoryServer server) : CustomResourceContract(server);

public sealed class InMemoryDiscoveryTests(InMemoryServer server) : DiscoveryContract(server);

public sealed class InMemoryAccessTests(InMemoryServer server) : AccessContract(server);
