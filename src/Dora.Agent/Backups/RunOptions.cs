using System.CommandLine;
using System.Text.Json;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Store;

namespace Dora.Agent.Backups;

/// <summary>What the commands of a run share: where they find their order, their secrets and the tool.</summary>
internal sealed class RunOptions
{
    private readonly Option<FileInfo> _order = new("--order") { Description = "File that says what to do (JSON).", Required = true };
    private readonly Option<DirectoryInfo> _store = new("--store") { Description = "Folder with the store's credentials: accessKeyId, secretAccessKey, and sessionToken for temporary ones.", DefaultValueFactory = _ => new("/var/run/dora/store") };
    private readonly Option<DirectoryInfo> _keys = new("--keys") { Description = "Folder with the encryption keys: current seals new backups, all open old ones. Each is 32 bytes, raw or in base64.", DefaultValueFactory = _ => new("/var/run/dora/keys") };
    private readonly Option<FileInfo?> _authority = new("--ca") { Description = "Certificates, PEM, of those who may sign the store's; by default those of the system." };
    private readonly Option<FileInfo> _report = new("--report") { Description = "Where to write how it ended (JSON).", DefaultValueFactory = _ => new("/dev/termination-log") };

    /// <summary>Folder shared with the tool; only of commands that work with one.</summary>
    public Option<DirectoryInfo> Stage { get; } = new("--stage") { Description = "Folder shared with the engine's tool.", DefaultValueFactory = _ => new("/stage") };

    /// <summary>File that shows that the run gets on.</summary>
    public Option<FileInfo> Heartbeat { get; } = new("--heartbeat") { Description = "File that is written while bytes flow; see dora-agent alive.", DefaultValueFactory = _ => new("/tmp/heartbeat") };

    /// <summary>A command that carries out an order.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For <c>--help</c>.</param>
    /// <param name="staged">Whether it works with a tool.</param>
    /// <param name="run">What it does.</param>
    public Command Command(string name, string description, bool staged, Func<Run, CancellationToken, Task<RunReport>> run)
    {
        var command = new Command(name, description) { _order, _store, _keys, _authority, _report, Heartbeat };
        if (staged)
            command.Options.Add(Stage);
        command.SetAction((parse, token) => CarryOutAsync(parse, staged, run, token));
        return command;
    }

    private async Task<int> CarryOutAsync(ParseResult parse, bool staged, Func<Run, CancellationToken, Task<RunReport>> run, CancellationToken cancellationToken)
    {
        RunReport report;
        var stage = staged ? new Stage(parse.GetValue(Stage)!.FullName, TimeProvider.System) : null;
        try
        {
            using var store = Open(parse, out var order, out var keys);
            var heartbeat = new Heartbeat(parse.GetValue(Heartbeat)!.FullName, parse.InvocationConfiguration.Output, TimeProvider.System);
            report = await run(new(order, store, keys, stage, heartbeat, parse.InvocationConfiguration.Output.WriteLine), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            report = RunFailure.Of(exception);
        }

        if (!report.Succeeded)
        {
            stage?.Release();
            await parse.InvocationConfiguration.Error.WriteLineAsync($"{report.Reason}: {report.Message}").ConfigureAwait(false);
        }

        await File.WriteAllBytesAsync(parse.GetValue(_report)!.FullName, report.Write(), CancellationToken.None).ConfigureAwait(false);
        return report.Succeeded ? 0 : 1;
    }

    private ObjectStore Open(ParseResult parse, out RunOrder order, out SecretKeys keys)
    {
        order = Order(parse.GetValue(_order)!.FullName);
        try
        {
            keys = SecretKeys.Read(parse.GetValue(_keys)!.FullName);
            var folder = parse.GetValue(_store)!.FullName;
            var token = Path.Combine(folder, "sessionToken");
            var credentials = new StoreCredentials(Text(folder, "accessKeyId"), Text(folder, "secretAccessKey"), File.Exists(token) ? Text(folder, "sessionToken") : null);
            return new(order.Store, credentials, parse.GetValue(_authority) is { } authority ? File.ReadAllText(authority.FullName) : null, TimeProvider.System);
        }
        catch (Exception exception) when (exception is ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new BadOrderException(exception.Message, exception);
        }
    }

    private static RunOrder Order(string path)
    {
        try
        {
            return RunOrder.Parse(File.ReadAllBytes(path));
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new BadOrderException($"{path} cannot be read: {exception.Message}", exception);
        }
    }

    private static string Text(string folder, string name) => File.ReadAllText(Path.Combine(folder, name)).Trim();
}

/// <summary>A run, with all it needs.</summary>
/// <param name="Order">What to do.</param>
/// <param name="Store">Where backups are.</param>
/// <param name="Keys">What opens and seals them.</param>
/// <param name="Stage">What it shares with the tool, or null.</param>
/// <param name="Heartbeat">Shows that it gets on.</param>
/// <param name="Log">Takes a line for the container's log.</param>
internal sealed record Run(RunOrder Order, ObjectStore Store, IKeyWrap Keys, Stage? Stage, Heartbeat Heartbeat, Action<string> Log)
{
    /// <summary>Waits until the tool says how it ended.</summary>
    public Task<IReadOnlyDictionary<string, string>> EndedAsync(TimeSpan patience, CancellationToken cancellationToken) =>
        Stage!.EndedAsync(patience, Heartbeat.BeatForTool, cancellationToken);
}
