using System.Text.Json;
using Dora.Kubernetes.Model;

namespace Dora.Api.Tests;

public sealed class ConditionsTests
{
    private static readonly DateTimeOffset _then = new(2026, 11, 21, 1, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_transition_time_moves_only_with_the_status()
    {
        var old = Conditions.Carry(null, [new("Ready", Conditions.False, "Creating", "a")], 1, _then);
        var same = Conditions.Carry(old, [new("Ready", Conditions.False, "RollingOut", "b")], 2, _then.AddHours(1));
        Assert.Equal((_then, 2L, "RollingOut"), (same[0].LastTransitionTime, same[0].ObservedGeneration, same[0].Reason));
        var turned = Conditions.Carry(same, [new("Ready", Conditions.True, "AllEnginesReady", "c")], 2, _then.AddHours(2));
        Assert.Equal(_then.AddHours(2), turned[0].LastTransitionTime);
    }

    [Fact]
    public void Times_are_whole_seconds_as_the_API_server_keeps_them() =>
        Assert.Equal(_then, Conditions.Carry(null, [new("Ready", Conditions.True, "x", "y")], 1, _then.AddMilliseconds(999))[0].LastTransitionTime);

    [Fact]
    public void A_condition_that_is_not_computed_any_more_goes() =>
        Assert.Empty(Conditions.Carry([new Condition("Gone", Conditions.True, "x", "y")], [], 1, _then));

    [Theory]
    [InlineData("\"1\"")]
    [InlineData("1")]
    [InlineData("\"Huge\"")]
    public void An_enum_is_read_by_its_names_only(string json) =>
        Assert.ThrowsAny<JsonException>(() => JsonSerializer.Deserialize(json, ApiJson.Wire.Tier));
}
