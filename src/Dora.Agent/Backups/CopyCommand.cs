using System.CommandLine;
using System.Globalization;
using Dora.Backup.Copies;
using Dora.Backup.Runs;
using Dora.Backup.Sets;

namespace Dora.Agent.Backups;

/// <summary><c>dora-agent copy</c>.</summary>
internal static class CopyCommand
{
    /// <summary>The command.</summary>
    public static Command Create() => new RunOptions().Command(
        "copy",
        "Copy a backup to the second store of the order, sealed as it is: no key is needed. What is there already, whole, is not sent again; the manifest comes last.",
        Needs.Target,
        async (run, token) =>
        {
            await StackMark.ClaimAsync(run.Target!, run.Order.Origin, run.Order.Adopt, TimeProvider.System, token).ConfigureAwait(false);
            run.Heartbeat.Beat(0);
            var copied = await new BackupCopier(run.Store, run.Target!, TimeProvider.System).CopyAsync(run.Order.Place, run.Order.Copy!.Manifest, run.Heartbeat.Beat, token).ConfigureAwait(false);
            return RunReport.Of(copied.Manifest, copied.ManifestSha256, copied.ManifestVersion) with
            {
                FinishedAt = TimeProvider.System.GetUtcNow(),
                Facts = new SortedDictionary<string, string>(StringComparer.Ordinal)
                {
                    ["sent"] = copied.Sent.ToString(CultureInfo.InvariantCulture),
                    ["sent-bytes"] = copied.SentBytes.ToString(CultureInfo.InvariantCulture),
                },
            };
        });
}
