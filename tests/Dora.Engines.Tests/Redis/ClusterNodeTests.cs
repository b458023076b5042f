using System.Text;
using Dora.Engines.Redis;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.Redis;

public sealed class ClusterNodeTests
{
    private const string One = "07c37dfeb235213a872192d90877d0cd55635b91";
    private const string Two = "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1";

    [Fact]
    public void A_node_is_read_as_the_server_writes_it()
    {
        var nodes = ClusterNode.Parse($"""
            {One} 10.0.0.1:6379@16379,payments-redis-0.payments-redis-members.compliance.svc myself,master - 0 1426238317239 4 connected 0-5460 6000 [5461->-{Two}] [77-<-{Two}]
            {Two} 10.0.0.2:6379@16379, slave,fail {One} 1426238316232 1426238315221 2 disconnected

            """);
        var (first, second) = (nodes[0], nodes[1]);
        Assert.Equal((One, "10.0.0.1", "payments-redis-0.payments-redis-members.compliance.svc", true, true, 4L, 5462), (first.Id, first.Ip, first.Host, first.Myself, first.Master, first.Epoch, first.SlotCount));
        Assert.Equal([new(0, 5460), new(6000, 6000)], first.Slots);
        Assert.Equal([new(5461, Two, false), new(77, Two, true)], first.Open);
        Assert.Equal(("", false, true, One), (second.Host, second.Master, second.Failed, second.MasterId));
    }

    [Theory]
    [InlineData("")]
    [InlineData("short 10.0.0.1:6379@16379 myself,master - 0 0 1 connected")]
    [InlineData(One + " 10.0.0.1:6379@16379 master - 0 0 1 connected")]
    [InlineData(One + " nowhere myself,master - 0 0 1 connected")]
    [InlineData(One + " 10.0.0.1:6379@16379 myself,master - 0 0 -1 connected")]
    [InlineData(One + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 16384")]
    [InlineData(One + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 9-4")]
    [InlineData(One + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-99999999999")]
    [InlineData(One + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected [5-x-" + Two + "]")]
    public void What_is_not_written_as_documented_is_refused(string text) =>
        Assert.Throws<InvalidDataException>(() => ClusterNode.Parse(text));

    [Fact]
    public void More_nodes_than_a_cluster_has_are_refused() =>
        Assert.Throws<InvalidDataException>(() => ClusterNode.Parse(string.Concat(Enumerable.Repeat($"{Two} 10.0.0.1:1@2 master - 0 0 1 connected\n", 1001))));

    [Fact]
    public void Whatever_a_server_writes_is_read_or_refused()
    {
        const string valid = One + " 10.0.0.1:6379@16379,host myself,master - 0 1 4 connected 0-5460 6000 [5461->-" + Two + "]\n";
        Prop.ForAll(ArbMap.Default.ArbFor<(int Where, byte What)[]>(), changes =>
        {
            var bytes = Encoding.Latin1.GetBytes(valid);
            foreach (var (where, what) in changes)
                bytes[(uint)where % bytes.Length] = what;
            try
            {
                return ClusterNode.Parse(Encoding.Latin1.GetString(bytes)).All(node => node.SlotCount >= 0);
            }
            catch (InvalidDataException)
            {
                return true;
            }
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Neighbours_become_one_range() =>
        Assert.Equal([new(1, 3), new(5, 5), new(7, 8)], SlotRange.Join([1, 2, 3, 5, 7, 8]));
}
