using System.Globalization;
using Dora.Backup.Runs;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Backups;

/// <summary>How the pod of a run ended, read from its Job and its pods. Pure.</summary>
/// <param name="Report">The agent's report; null where it left none.</param>
/// <param name="Reason">CamelCase; why there is no report.</param>
/// <param name="Message">The same in words.</param>
internal sealed record RunEnd(RunReport? Report, string Reason, string Message)
{
    /// <summary>Whether it did what it was asked.</summary>
    public bool Succeeded => Report is { Succeeded: true };

    /// <summary>The end; null while it runs.</summary>
    /// <param name="job">The Job, or null where it is gone.</param>
    /// <param name="pods">Pods of the stack.</param>
    public static RunEnd? Of(Job? job, IEnumerable<Pod> pods)
    {
        if (job is null)
            return new(null, "JobGone", "the Job was removed before its end was read: somebody deleted it, or its namespace is going");
        var own = pods.Where(pod => pod.Metadata.OwnerReferences?.Any(owner => owner.Uid == job.Metadata.Uid) == true).ToList();
        // The agent has the last word: the tool beside it may wait for ever where the agent is gone.
        var ended = own.SelectMany(pod => pod.Status?.ContainerStatuses ?? []).FirstOrDefault(container => container.Name == BackupPods.Agent)?.State?.Terminated;
        if (ended is not null)
        {
            return RunReport.Parse(ended.Message) is { } report
                ? new(report, report.Reason, report.Message)
                : new(null, ended.Reason ?? "NoReport", $"dora-agent {Ended(ended.ExitCode)} and left no report{(ended.Message is { Length: > 0 } words ? $": {Last(words)}" : "")}; see `kubectl logs job/{job.Metadata.Name} -c {BackupPods.Agent}`");
        }

        var finished = job.Status?.Conditions?.FirstOrDefault(condition => condition is { Type: "Failed" or "Complete", Status: "True" });
        // The news of the Job may come before that of its pod.
        if (finished is null || own.Exists(pod => pod is { Metadata.DeletionTimestamp: null, Status.Phase: not "Failed" }))
            return null;
        return new(null, finished.Reason ?? "Failed", $"{finished.Message ?? "the Job failed"}{(PodProblems.First(own) is { } problem ? $": {problem.Message}" : "")}");
    }

    // 128 and the signal's number (POSIX shells, the container runtimes).
    private static string Ended(int code) => code > 128 ? string.Create(CultureInfo.InvariantCulture, $"was killed by signal {code - 128}") : string.Create(CultureInfo.InvariantCulture, $"ended with exit code {code}");

    private static string Last(string words) => words.Length > 500 ? words[^500..] : words;
}
