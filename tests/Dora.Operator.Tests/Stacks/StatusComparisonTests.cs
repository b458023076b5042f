using System.Text.Json.Nodes;
using Dora.Operator.Stacks;

namespace Dora.Operator.Tests.Stacks;

public sealed class StatusComparisonTests
{
    [Theory]
    [InlineData("""{"conditions": [{"type": "Ready", "status": "True"}, {"type": "New", "status": "True"}]}""", """{"conditions": [{"type": "New", "status": "True"}, {"type": "Ready", "status": "True"}]}""", true)]
    [InlineData("""{"backups": {"schedules": [{"name": "a", "engine": "x"}, {"name": "a", "engine": "b"}]}}""", """{"backups": {"schedules": [{"name": "a", "engine": "b"}, {"name": "a", "engine": "x"}]}}""", true)]
    [InlineData("""{"conditions": [{"type": "Ready", "status": "True"}]}""", """{"conditions": [{"type": "Ready", "status": "False"}]}""", false)]
    [InlineData("""{"conditions": [{"type": "Ready"}]}""", """{"conditions": [{"type": "Ready"}, {"type": "New"}]}""", false)]
    [InlineData("""{"reached": ["b", "a"]}""", """{"reached": ["a", "b"]}""", false)]
    public void Elements_with_keys_may_be_in_any_order(string one, string other, bool same) =>
        Assert.Equal(same, StatusComparison.Same(JsonNode.Parse(one), JsonNode.Parse(other)));
}
