using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Agent.Backups;

/// <summary>What went wrong, in the words of a report.</summary>
internal static class RunFailure
{
    /// <summary>Of a run that failed.</summary>
    public static RunReport Of(Exception exception) => exception switch
    {
        StoreException store => new(false, $"Store{store.Problem}", store.Message),
        SealBrokenException broken => new(false, "BackupBroken", broken.Message),
        InvalidDataException broken => new(false, "BackupBroken", broken.Message),
        KeyRefusedException refused => new(false, "KeyRefused", refused.Message),
        ToolFailedException tool => new(false, tool.Reason, tool.Message),
        BadOrderException order => new(false, "BadOrder", order.Message),
        OperationCanceledException => new(false, "Interrupted", "the run was asked to end before it was done"),
        _ => new(false, "Failed", $"{exception.GetType().Name}: {exception.Message}"),
    };
}

/// <summary>What the agent was given cannot be worked with.</summary>
internal sealed class BadOrderException(string message, Exception? inner = null) : Exception(message, inner);
