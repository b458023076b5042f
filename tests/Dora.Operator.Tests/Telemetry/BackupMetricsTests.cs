using Dora.Operator.Stacks;
using Dora.Operator.Telemetry;
using Dora.Operator.Tests.Backups;

namespace Dora.Operator.Tests.Telemetry;

[Collection("operator")]
public sealed class BackupMetricsTests
{
    [Fact]
    public void Metrics_say_when_the_last_backup_and_drill_were_and_nothing_of_stacks_without_backups()
    {
        var at = new DateTimeOffset(2026, 11, 21, 2, 0, 0, TimeSpan.Zero);
        var stack = new BackupWorld().Stack with { Status = new(Backups: new([new("redis", "first", at, DrillAt: at.AddHours(2), DrillPassed: true, Copies: [new("abroad", "first", at)]), new("postgres")])) };
        using var text = new PrometheusText(OperatorMetrics.MeterName);
        using var metrics = new OperatorMetrics(new HealthStore(), () => [stack, stack with { Metadata = stack.Metadata with { Name = "bare" }, Status = null }]);
        var lines = text.Render().Split('\n');

        Assert.Contains(lines, line => line.StartsWith("dora_backup_last_success_timestamp_seconds", StringComparison.Ordinal) && line.Contains("engine=\"redis\"", StringComparison.Ordinal) && line.EndsWith($" {at.ToUnixTimeSeconds()}", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("dora_backup_last_success_timestamp_seconds", StringComparison.Ordinal) && line.Contains("engine=\"postgres\"", StringComparison.Ordinal) && line.EndsWith(" 0", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("dora_drill_passed", StringComparison.Ordinal) && line.EndsWith(" 1", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.StartsWith("dora_backup_copy_last_success_timestamp_seconds", StringComparison.Ordinal) && line.Contains("copy=\"abroad\"", StringComparison.Ordinal) && line.EndsWith($" {at.ToUnixTimeSeconds()}", StringComparison.Ordinal));
        Assert.DoesNotContain(lines, line => line.Contains("bare", StringComparison.Ordinal));
    }
}
