using System.CommandLine;
using Dora.Agent;
using Dora.Agent.Backups;
using Dora.Agent.Probing;

var root = new RootCommand("Works in pods beside databases, and asks the Kubernetes API nothing: what it finds is its last message.")
{
    BackupCommands.Stage(),
    BackupCommands.Backup(),
    BackupCommands.Record(),
    BackupCommands.Restore(),
    BackupCommands.Follow(),
    BackupCommands.Inspect(),
    BackupCommands.Verify(),
    BackupCommands.Find(),
    StoreCommands.Expire(),
    StoreCommands.Protect(),
    CopyCommand.Create(),
    BackupCommands.Alive(),
    ProbeNetworkCommand.Create(),
    VersionCommand.Create(),
};
return await root.Parse(args).InvokeAsync().ConfigureAwait(false);
