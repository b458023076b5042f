using Dora.Integration.Tests.ApiServer;
using Dora.Integration.Tests.Operator;
using Dora.Operator.Access;
using Xunit;

namespace Dora.Integration.Tests.Neo4j;

/// <summary>What a real kube-apiserver makes of Neo4j's objects.</summary>
[Collection("operator")]
public sealed class Neo4jOnApiServerTests(RealServer server)
{
    [Theory]
    [InlineData("{tier: Development, engines: {neo4j: {}}}")]
    [InlineData("{tier: Production, engines: {neo4j: {license: Commercial, secondaries: 2, databases: [{name: ledger}], users: [{name: alice, roles: [reader]}], ldap: {host: 'ldaps://a', userSearchBase: ou=x, systemAccount: {username: cn=x, passwordSecret: directory}}}}}")]
    public async Task Objects_are_accepted_and_a_restart_of_the_operator_writes_none_of_them(string spec)
    {
        await using var run = await OperatorRun.CreateAsync(server, [.. OperatorAccess.Stacks, .. OperatorAccess.Lease]);
        _ = run.Start();
        await run.ApplyAsync("graph", spec);
        var converged = await run.ConvergedAsync("graph");
        Assert.Superset(
            new HashSet<string> { "statefulsets/graph-neo4j", "services/graph-neo4j", "services/graph-neo4j-members", "configmaps/graph-neo4j-config", "serviceaccounts/graph-neo4j", "secrets/graph-neo4j-internal", "secrets/graph-neo4j-app" },
            converged.Keys.ToHashSet());
        await run.StopAsync();
        _ = run.Start();
        await run.PassesAsync(3);
        Assert.Equal(converged, await run.VersionsAsync());
    }
}
