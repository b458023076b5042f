using System.CommandLine;
using System.Text.Json;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Sets;
using Dora.Backup.Store;
using Dora.Vault;

namespace Dora.Agent.Backups;

/// <summary>What the commands of a run share: where they find their order, their secrets and the tool.</summary>
internal sealed class RunOptions
{
    // A Vault that restarts is waited for; a run takes longer anyway.
    private static readonly TimeSpan _vaultPatience = TimeSpan.FromMinutes(2);

    private readonly Option<FileInfo> _order = new("--order") { Description = "File that says what to do (JSON).", Required = true };
    private readonly Option<DirectoryInfo> _store = new("--store") { Description = "Folder with the store's credentials: accessKeyId, secretAccessKey, and sessionToken for temporary ones.", DefaultValueFactory = _ => new("/var/run/dora/store") };
    private readonly Option<DirectoryInfo> _keys = new("--keys") { Description = "Folder with the encryption keys: current seals new backups, all open old ones. Each is 32 bytes, raw or in base64.", DefaultValueFactory = _ => new("/var/run/dora/keys") };
    private readonly Option<FileInfo> _vaultToken = new("--vault-token") { Description = "Service account's token to log in to Vault with, where the order names a key of Vault.", DefaultValueFactory = _ => new(VaultLogin.ProjectedToken) };
    private readonly Option<FileInfo?> _vaultAuthority = new("--vault-ca") { Description = "Certificates, PEM, of those who may sign Vault's; by default those of the system." };
    private readonly Option<FileInfo?> _authority = new("--ca") { Description = "Certificates, PEM, of those who may sign the store's; by default those of the system." };
    private readonly Option<DirectoryInfo> _target = new("--target-store") { Description = "Folder with the credentials of the store that is copied to, as --store.", DefaultValueFactory = _ => new("/var/run/dora/target") };
    private readonly Option<FileInfo?> _targetAuthority = new("--target-ca") { Description = "Certificates, PEM, of those who may sign that store's; by default those of the system." };
    private readonly Option<FileInfo> _report = new("--report") { Description = "Where to write how it ended (JSON).", DefaultValueFactory = _ => new("/dev/termination-log") };

    /// <summary>Folder shared with the tool; only of commands that work with one.</summary>
    public Option<DirectoryInfo> Stage { get; } = new("--stage") { Description = "Folder shared with the engine's tool.", DefaultValueFactory = _ => new("/stage") };

    /// <summary>File that shows that the run gets on.</summary>
    public Option<FileInfo> Heartbeat { get; } = new("--heartbeat") { Description = "File that is written while bytes flow; see dora-agent alive.", DefaultValueFactory = _ => new("/tmp/heartbeat") };

    /// <summary>A command that carries out an order.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">For <c>--help</c>.</param>
    /// <param name="needs">What it works with.</param>
    /// <param name="run">What it does.</param>
    public Command Command(string name, string description, Needs needs, Func<Run, CancellationToken, Task<RunReport>> run)
    {
        var command = new Command(name, description) { _order, _store, _authority, _report, Heartbeat };
        foreach (var option in needs.HasFlag(Needs.Keys) ? [_keys, _vaultToken, _vaultAuthority] : Array.Empty<Option>())
            command.Options.Add(option);
        foreach (var option in needs.HasFlag(Needs.Target) ? [_target, _targetAuthority] : Array.Empty<Option>())
            command.Options.Add(option);
        if (needs.HasFlag(Needs.Tool))
            command.Options.Add(Stage);
        command.SetAction((parse, token) => CarryOutAsync(parse, needs, run, token));
        return command;
    }

    private async Task<int> CarryOutAsync(ParseResult parse, Needs needs, Func<Run, CancellationToken, Task<RunReport>> run, CancellationToken cancellationToken)
    {
        RunReport report;
        var stage = needs.HasFlag(Needs.Tool) ? new Stage(parse.GetValue(Stage)!.FullName, TimeProvider.System) : null;
        try
        {
            var order = Order(parse.GetValue(_order)!.FullName);
            using var store = Given(() => Store(order.Store, parse.GetValue(_store)!, parse.GetValue(_authority)));
            using var target = needs.HasFlag(Needs.Target) ? Given(() => Store(order.Copy?.Store ?? throw new BadOrderException("the order names no place to copy to: give copy.store"), parse.GetValue(_target)!, parse.GetValue(_targetAuthority))) : null;
            using var vault = needs.HasFlag(Needs.Keys) && order.Transit is { } transit ? Given(() => Vault(parse, transit)) : null;
            var keys = needs.HasFlag(Needs.Keys) ? Given(() => Keys(parse, order, vault)) : null;
            var heartbeat = new Heartbeat(parse.GetValue(Heartbeat)!.FullName, parse.InvocationConfiguration.Output, TimeProvider.System);
            report = await run(new(order, store, keys, stage, heartbeat, parse.InvocationConfiguration.Output.WriteLine) { Target = target }, cancellationToken).ConfigureAwait(false);
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

    private static ObjectStore Store(StoreLocation location, DirectoryInfo secrets, FileInfo? authority)
    {
        var folder = secrets.FullName;
        var token = Path.Combine(folder, "sessionToken");
        var credentials = new StoreCredentials(Text(folder, "accessKeyId"), Text(folder, "secretAccessKey"), File.Exists(token) ? Text(folder, "sessionToken") : null);
        return new(location, credentials, Pem(authority), TimeProvider.System);
    }

    private VaultClient Vault(ParseResult parse, TransitOrder transit) => new(
        new(transit.Address, transit.Namespace, Pem(parse.GetValue(_vaultAuthority))) { Deadline = _vaultPatience },
        new VaultLogin.Kubernetes(transit.Role, parse.GetValue(_vaultToken)!.FullName, transit.AuthMount),
        TimeProvider.System);

    private IKeyWrap Keys(ParseResult parse, RunOrder order, VaultClient? vault) => order.Transit is { } transit
        ? new TransitWrap(new(vault!, transit.Mount), transit.Key, order.Place)
        : SecretKeys.Read(parse.GetValue(_keys)!.FullName);

    private static T Given<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new BadOrderException(exception.Message, exception);
        }
    }

    private static string? Pem(FileInfo? file) => file is null ? null : File.ReadAllText(file.FullName);

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

/// <summary>What a command works with, beside order and store.</summary>
[Flags]
internal enum Needs
{
    /// <summary>Nothing else.</summary>
    Nothing = 0,

    /// <summary>What opens and seals backups.</summary>
    Keys = 1,

    /// <summary>The engine's tool.</summary>
    Tool = 2,

    /// <summary>A second store.</summary>
    Target = 4,
}

/// <summary>A run, with all it needs.</summary>
/// <param name="Order">What to do.</param>
/// <param name="Store">Where backups are.</param>
/// <param name="Keys">What opens and seals them, or null.</param>
/// <param name="Stage">What it shares with the tool, or null.</param>
/// <param name="Heartbeat">Shows that it gets on.</param>
/// <param name="Log">Takes a line for the container's log.</param>
internal sealed record Run(RunOrder Order, ObjectStore Store, IKeyWrap? Keys, Stage? Stage, Heartbeat Heartbeat, Action<string> Log)
{
    /// <summary>The store that is copied to, or null.</summary>
    public ObjectStore? Target { get; init; }

    /// <summary>Claims the stack's folder: nobody writes or removes anything in that of another stack.</summary>
    public Task<StackMark> ClaimAsync(CancellationToken cancellationToken) =>
        StackMark.ClaimAsync(Store, Order.Origin, Order.Adopt, TimeProvider.System, cancellationToken);

    /// <summary>Waits until the tool says how it ended.</summary>
    public Task<IReadOnlyDictionary<string, string>> EndedAsync(TimeSpan patience, CancellationToken cancellationToken) =>
        Stage!.EndedAsync(patience, Heartbeat.BeatForTool, cancellationToken);
}
