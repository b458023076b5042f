using System.Text.Json.Nodes;
using Dora.Agent.Backups;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Agent.Tests.Backups;

public sealed class RunReportTests
{
    public static TheoryData<Exception, string> Failures => new()
    {
        { new StoreException(StoreProblem.Denied, "grant it"), "StoreDenied" },
        { new StoreException(StoreProblem.Full, "make room"), "StoreFull" },
        { new SealBrokenException("frame 3 was changed"), "BackupBroken" },
        { new InvalidDataException("zstd: the stream is cut"), "BackupBroken" },
        { new KeyRefusedException("put the old key back"), "KeyRefused" },
        { new ToolFailedException("redis-cli ended with 1"), "ToolFailed" },
        { new BadOrderException("no order"), "BadOrder" },
        { new OperationCanceledException(), "Interrupted" },
        { new InvalidOperationException("what"), "Failed" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void Every_failure_has_its_reason(Exception exception, string reason)
    {
        var report = RunFailure.Of(exception);

        Assert.False(report.Succeeded);
        Assert.Equal(reason, report.Reason);
        Assert.NotEmpty(report.Message);
    }

    [Fact]
    public void A_report_is_never_longer_than_Kubernetes_keeps()
    {
        var facts = Enumerable.Range(0, 64).ToDictionary(number => $"fact{number}", _ => new string('x', 256));
        var bytes = new RunReport(false, "Failed", new string('ä', 5_000), Facts: facts).Write();
        var read = JsonNode.Parse(bytes)!;

        Assert.InRange(bytes.Length, 1, 4096);
        Assert.Equal("Failed", (string?)read["reason"]);
        Assert.StartsWith("ää", (string?)read["message"], StringComparison.Ordinal);
    }
}
