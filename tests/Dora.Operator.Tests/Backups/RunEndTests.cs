using Dora.Engines.Backups;
using Dora.Operator.Backups;

namespace Dora.Operator.Tests.Backups;

public sealed class RunEndTests
{
    [Theory]
    [InlineData(137, "Error", "was killed by signal 9")]
    [InlineData(137, "OOMKilled", "was killed by signal 9")]
    [InlineData(143, "Error", "was killed by signal 15")]
    [InlineData(2, "Error", "ended with exit code 2")]
    public void An_agent_that_left_no_report_is_said_to_have_ended_as_it_did(int code, string reason, string words)
    {
        var (job, pod) = BackupWorld.Ended("run", "");
        var end = RunEnd.Of(job, [pod with { Status = pod.Status! with { ContainerStatuses = [new(BackupPods.Agent, State: new(Terminated: new(code, reason)))] } }])!;
        Assert.Equal((false, reason), (end.Succeeded, end.Reason));
        Assert.StartsWith($"dora-agent {words} and left no report; see `kubectl logs job/run ", end.Message, StringComparison.Ordinal);
    }
}
