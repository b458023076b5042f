using System.CommandLine;
using System.Globalization;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Agent.Backups;

/// <summary>The commands that back up, restore and check.</summary>
internal static class BackupCommands
{
    /// <summary><c>dora-agent backup</c>.</summary>
    public static Command Backup() => new RunOptions().Command(
        "backup",
        "Take what the engine's tool writes into the stage's pipe, compress it, seal it, store it, and read its manifest back.",
        Needs.Keys | Needs.Tool,
        async (run, token) =>
        {
            await ClaimAsync(run, token).ConfigureAwait(false);
            await using var source = await run.Stage!.ReadAsync(token).ConfigureAwait(false);
            var written = await new BackupWriter(run.Store, run.Keys!, TimeProvider.System).WriteAsync(What(run), source, ended => run.EndedAsync(Backups.Stage.Short, ended), run.Heartbeat.Beat, token).ConfigureAwait(false);
            return RunReport.Of(written.Manifest, written.ManifestSha256, written.ManifestVersion);
        });

    /// <summary><c>dora-agent record</c>.</summary>
    public static Command Record() => new RunOptions().Command(
        "record",
        "Wait until the engine's tool has stored the data by itself, write down what it says of it, and read that back.",
        Needs.Keys | Needs.Tool,
        async (run, token) =>
        {
            await ClaimAsync(run, token).ConfigureAwait(false);
            // The tool writes by itself: not before it is known that the folder is this stack's.
            await run.Stage!.ApproveAsync(token).ConfigureAwait(false);
            var written = await new BackupWriter(run.Store, run.Keys!, TimeProvider.System).RecordAsync(What(run), ended => run.EndedAsync(Timeout.InfiniteTimeSpan, ended), token).ConfigureAwait(false);
            return RunReport.Of(written.Manifest, written.ManifestSha256, written.ManifestVersion);
        });

    /// <summary><c>dora-agent restore</c>.</summary>
    public static Command Restore() => new RunOptions().Command(
        "restore",
        "Read a backup, check every byte of it, and give it to the engine's tool through the stage's pipe.",
        Needs.Keys | Needs.Tool,
        async (run, token) =>
        {
            var reader = new BackupReader(run.Store, run.Keys!);
            var manifest = await ManifestAsync(reader, run, token).ConfigureAwait(false);
            if (manifest.Recorded)
                throw new BadOrderException($"the engine's tool stored the data of {manifest.Id} by itself: use dora-agent follow");
            await using (var target = await run.Stage!.WriteAsync(token).ConfigureAwait(false))
            {
                await reader.CopyToAsync(manifest, target, run.Heartbeat.Beat, token).ConfigureAwait(false);
                await run.Stage.ApproveAsync(token).ConfigureAwait(false);
            }

            return await JudgeAsync(reader, manifest, run, Backups.Stage.Long, token).ConfigureAwait(false);
        });

    /// <summary><c>dora-agent follow</c>.</summary>
    public static Command Follow() => new RunOptions().Command(
        "follow",
        "Read what was written down of a backup that the engine's tool stored by itself, tell it to the tool, and compare with it what the tool restored.",
        Needs.Keys | Needs.Tool,
        async (run, token) =>
        {
            var reader = new BackupReader(run.Store, run.Keys!);
            var manifest = await ToldAsync(reader, run, "restore", token).ConfigureAwait(false);
            return await JudgeAsync(reader, manifest, run, Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);
        });

    /// <summary><c>dora-agent inspect</c>.</summary>
    public static Command Inspect() => new RunOptions().Command(
        "inspect",
        "Read what was written down of a backup that the engine's tool stored by itself, have the tool read all of it, and note in the store that this was done.",
        Needs.Keys | Needs.Tool,
        async (run, token) =>
        {
            var reader = new BackupReader(run.Store, run.Keys!);
            var manifest = await ToldAsync(reader, run, "verify", token).ConfigureAwait(false);
            var found = await run.EndedAsync(Timeout.InfiniteTimeSpan, token).ConfigureAwait(false);
            await NoteAsync(reader, manifest, run, token).ConfigureAwait(false);
            return RunReport.Of(manifest) with { Facts = found };
        });

    /// <summary><c>dora-agent verify</c>.</summary>
    public static Command Verify() => new RunOptions().Command(
        "verify",
        "Read a backup and check every byte of it, and note in the store that this was done; the data goes nowhere.",
        Needs.Keys,
        async (run, token) =>
        {
            if (run.Order.Claims)
                await ClaimAsync(run, token).ConfigureAwait(false);
            var reader = new BackupReader(run.Store, run.Keys!);
            var manifest = await ManifestAsync(reader, run, token).ConfigureAwait(false);
            if (manifest.Recorded)
            {
                // What it names the tool alone can read: nothing is noted.
                run.Log($"the engine's tool stored the data of {manifest.Id} by itself: only what was written down of it is checked");
                return RunReport.Of(manifest);
            }

            await reader.CopyToAsync(manifest, Stream.Null, run.Heartbeat.Beat, token).ConfigureAwait(false);
            if (await OwnsAsync(run, token).ConfigureAwait(false))
                await reader.NoteAsync(manifest, TimeProvider.System, token).ConfigureAwait(false);
            return RunReport.Of(manifest);
        });

    /// <summary><c>dora-agent find</c>.</summary>
    public static Command Find() => new RunOptions().Command(
        "find",
        "Compare the backups of an engine that the store holds with those that the order names; check the seal of each that is new. Writes nothing.",
        Needs.Keys,
        async (run, token) =>
        {
            var order = run.Order.Find ?? throw new BadOrderException("find: the order does not say what is known");
            var mark = await StackMark.ReadAsync(run.Store, StackMark.Name(run.Order.Origin.Namespace, run.Order.Origin.Stack), token).ConfigureAwait(false);
            var finder = new BackupFinder(new BackupCatalogue(run.Store, run.Keys));
            return RunReport.Of(await finder.FindAsync(run.Order.Place.EngineFolder, order, mark?.Uid, () => run.Heartbeat.Beat(0), token).ConfigureAwait(false));
        });

    /// <summary><c>dora-agent stage</c>.</summary>
    public static Command Stage()
    {
        var folder = new RunOptions().Stage;
        var command = new Command("stage", "Make the pipe between agent and tool; before both of them.") { folder };
        command.SetAction(parse =>
        {
            try
            {
                new Stage(parse.GetValue(folder)!.FullName, TimeProvider.System).Prepare();
                return 0;
            }
            catch (BadOrderException exception)
            {
                parse.InvocationConfiguration.Error.WriteLine(exception.Message);
                return 2;
            }
        });
        return command;
    }

    /// <summary><c>dora-agent alive</c>.</summary>
    public static Command Alive()
    {
        var heartbeat = new RunOptions().Heartbeat;
        var most = new Option<int>("--seconds") { Description = "How old the last heartbeat may be.", DefaultValueFactory = _ => 300 };
        var command = new Command("alive", "Exit 0 while bytes flow; for a liveness probe.") { heartbeat, most };
        command.SetAction(parse => Backups.Heartbeat.IsAlive(parse.GetValue(heartbeat)!.FullName, TimeSpan.FromSeconds(parse.GetValue(most)), TimeProvider.System) ? 0 : 1);
        return command;
    }

    private static async Task ClaimAsync(Run run, CancellationToken cancellationToken)
    {
        await run.ClaimAsync(cancellationToken).ConfigureAwait(false);
        run.Heartbeat.Beat(0);
    }

    // Whoever only reads may read the folder of another stack, and leaves nothing there.
    private static async Task<bool> OwnsAsync(Run run, CancellationToken cancellationToken)
    {
        if (await StackMark.OwnsAsync(run.Store, run.Order.Origin, cancellationToken).ConfigureAwait(false))
            return true;
        run.Log($"the folder of {run.Order.Place.Folder} is that of another stack: nothing is noted there");
        return false;
    }

    private static BackupOrder What(Run run) => new(run.Order.Id, run.Order.Origin, run.Order.Content, run.Order.Facts ?? new Dictionary<string, string>());

    // Tells a tool that stores data by itself what was written down of it.
    private static async Task<BackupManifest> ToldAsync(BackupReader reader, Run run, string other, CancellationToken cancellationToken)
    {
        if (run.Order.Claims)
            await ClaimAsync(run, cancellationToken).ConfigureAwait(false);
        var manifest = await ManifestAsync(reader, run, cancellationToken).ConfigureAwait(false);
        if (!manifest.Recorded)
            throw new BadOrderException($"the data of {manifest.Id} went through the agent: use dora-agent {other}");
        await run.Stage!.TellAsync(manifest.Facts, cancellationToken).ConfigureAwait(false);
        await run.Stage.ApproveAsync(cancellationToken).ConfigureAwait(false);
        return manifest;
    }

    private static async Task<RunReport> JudgeAsync(BackupReader reader, BackupManifest manifest, Run run, TimeSpan patience, CancellationToken cancellationToken)
    {
        var found = await run.EndedAsync(patience, cancellationToken).ConfigureAwait(false);
        var report = RunReport.Restored(manifest, found, run.Order.Checks ?? []);
        if (report is { Succeeded: true, Comparison: Comparison.Verified })
            await NoteAsync(reader, manifest, run, cancellationToken).ConfigureAwait(false);
        return report;
    }

    // The credentials may be such that they only read: all has succeeded the same.
    private static async Task NoteAsync(BackupReader reader, BackupManifest manifest, Run run, CancellationToken cancellationToken)
    {
        try
        {
            if (await OwnsAsync(run, cancellationToken).ConfigureAwait(false))
                await reader.NoteAsync(manifest, TimeProvider.System, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is StoreException or SealBrokenException)
        {
            run.Log($"that this backup was read whole is not noted in the store: {exception.Message}");
        }
    }

    private static async Task<BackupManifest> ManifestAsync(BackupReader reader, Run run, CancellationToken cancellationToken)
    {
        var manifest = await reader.ManifestAsync(run.Order.Place, cancellationToken).ConfigureAwait(false);
        run.Heartbeat.Beat(0);
        return manifest.Origin.Engine == run.Order.Origin.Engine && manifest.Content == run.Order.Content
            ? manifest
            : throw new BadOrderException(string.Create(CultureInfo.InvariantCulture, $"{manifest.Id} holds {manifest.Content} of {manifest.Origin.Engine}, and {run.Order.Content} of {run.Order.Origin.Engine} is asked for"));
    }
}
