using Dora.Testing.ApiServer.Contract;
using Xunit;

[assembly: AssemblyFixture(typeof(Dora.Integration.Tests.ApiServer.RealServer))]

namespace Dora.Integration.Tests.ApiServer;

public sealed class RealObjectTests(RealServer server) : ObjectContract(server);

public sealed class RealApplyTests(RealServer server) : ApplyContract(server);

public sealed class RealListWatchTests(RealServer server) : ListWatchContract(server);

public sealed class RealDeletionTests(RealServer server) : DeletionContract(server);

public sealed class RealCustomResourceTests(RealServer server) : CustomResourceContract(server);

public sealed class RealDiscoveryTests(RealServer server) : DiscoveryContract(server);

public sealed class RealAccessTests(RealServer server) : AccessContract(server);
