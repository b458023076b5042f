using System.Collections.Concurrent;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Runtime;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Backups;

/// <summary>Backups and restores as the operator sees them, and who has to look when something changes.</summary>
public sealed class RunView
{
    private readonly List<Informer<ComplianceBackup>> _backups = [];
    private readonly List<Informer<ComplianceRestore>> _restores = [];
    private readonly ConcurrentDictionary<ObjectKey, long> _generations = new();
    private readonly Action<ObjectKey> _backup;
    private readonly Action<ObjectKey> _restore;

    /// <summary>Informers over some namespaces, or all.</summary>
    /// <param name="client">The API server.</param>
    /// <param name="namespaces">Empty for all.</param>
    /// <param name="backup">Told of a backup to look at.</param>
    /// <param name="restore">Told of a restore to look at.</param>
    /// <param name="stack">Told of a stack whose runs changed.</param>
    /// <param name="clock">Time.</param>
    /// <param name="logger">Log of the informers.</param>
    public RunView(KubeClient client, IReadOnlyList<string> namespaces, Action<ObjectKey> backup, Action<ObjectKey> restore, Action<ObjectKey> stack, TimeProvider clock, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(namespaces);
        (_backup, _restore) = (backup, restore);
        foreach (var scope in namespaces.Count == 0 ? [null] : namespaces.Select(name => (string?)name))
        {
            var backups = new Informer<ComplianceBackup>(client, BackupResource.Type, new(Namespace: scope), clock, logger);
            backups.Subscribe(change =>
            {
                backup(change.Key);
                Others(new(change.Key.Namespace, change.Object.Spec.Stack), stack);
            });
            _backups.Add(backups);
            var restores = new Informer<ComplianceRestore>(client, RestoreResource.Type, new(Namespace: scope), clock, logger);
            restores.Subscribe(change =>
            {
                restore(change.Key);
                Others(new(change.Key.Namespace, change.Object.Spec.Stack), stack);
                if (change.Object.Spec.Target.Stack is { } target)
                    stack(new(change.Key.Namespace, target));
            });
            _restores.Add(restores);
        }
    }

    /// <summary>Whether every informer has listed once.</summary>
    public bool Synced => _backups.TrueForAll(informer => informer.IsSynced) && _restores.TrueForAll(informer => informer.IsSynced);

    /// <summary>A backup, or null.</summary>
    public ComplianceBackup? Backup(ObjectKey key) => _backups.Select(informer => informer.Store.Find(key)).FirstOrDefault(found => found is not null);

    /// <summary>A restore, or null.</summary>
    public ComplianceRestore? Restore(ObjectKey key) => _restores.Select(informer => informer.Store.Find(key)).FirstOrDefault(found => found is not null);

    /// <summary>Backups of a stack.</summary>
    public IReadOnlyList<ComplianceBackup> Backups(ObjectKey stack) =>
        [.. _backups.SelectMany(informer => informer.Store.All).Where(backup => backup.Metadata.Namespace == stack.Namespace && backup.Spec.Stack == stack.Name)];

    /// <summary>Restores of a stack's data, or into it.</summary>
    public IReadOnlyList<ComplianceRestore> Restores(ObjectKey stack) =>
        [.. _restores.SelectMany(informer => informer.Store.All).Where(restore => restore.Metadata.Namespace == stack.Namespace && (restore.Spec.Stack == stack.Name || restore.Spec.Target.Stack == stack.Name))];

    /// <summary>Has all runs looked at that are not over, because something of their stack changed; and all backups, if that is the spec: it may ask for more of them.</summary>
    /// <param name="stack">The stack.</param>
    /// <param name="generation">Of its spec; null: it is gone.</param>
    public void StackChanged(ObjectKey stack, long? generation)
    {
        Others(stack, _ => { });
        if (generation is not { } now)
        {
            _generations.TryRemove(stack, out _);
            return;
        }

        if (_generations.TryGetValue(stack, out var before) && before == now)
            return;
        _generations[stack] = now;
        foreach (var backup in Backups(stack))
            _backup(ObjectKey.Of(backup));
    }

    /// <summary>Has every run looked at.</summary>
    public void LookAtAll()
    {
        foreach (var backup in _backups.SelectMany(informer => informer.Store.All))
            _backup(ObjectKey.Of(backup));
        foreach (var restore in _restores.SelectMany(informer => informer.Store.All))
            _restore(ObjectKey.Of(restore));
    }

    /// <summary>Runs all informers until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_backups.Select(informer => informer.RunAsync(cancellationToken)).Concat(_restores.Select(informer => informer.RunAsync(cancellationToken))));

    /// <summary>Ends when all are listed.</summary>
    public Task SettleAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_backups.Select(informer => informer.Synced).Concat(_restores.Select(informer => informer.Synced))).WaitAsync(cancellationToken);

    // One that waits begins when the one before it is over.
    private void Others(ObjectKey stack, Action<ObjectKey> changed)
    {
        changed(stack);
        foreach (var backup in Backups(stack).Where(RunTurns.IsOpen))
            _backup(ObjectKey.Of(backup));
        foreach (var restore in Restores(stack).Where(RunTurns.IsOpen))
            _restore(ObjectKey.Of(restore));
    }
}

/// <summary>Which run of an engine goes first. Pure.</summary>
internal static class RunTurns
{
    /// <summary>Whether a backup is not over; one that was found never begins.</summary>
    public static bool IsOpen(ComplianceBackup backup) => backup.Spec.Found is null && backup.Status?.Phase is null or RunPhase.Pending or RunPhase.Running;

    /// <summary>Whether a restore is not over.</summary>
    public static bool IsOpen(ComplianceRestore restore) => restore.Status?.Phase is null or (not RestorePhase.Succeeded and not RestorePhase.Failed);

    /// <summary>
    /// Another run of the same engine that goes first: one that has begun, else an older one that waits. Drills touch nothing that others use: they
    /// wait for nobody but each other.
    /// </summary>
    /// <param name="self">Whose turn is asked for.</param>
    /// <param name="backups">Backups of the stack.</param>
    /// <param name="restores">Restores of the stack, or into it.</param>
    public static string? Before(RunTurn self, IEnumerable<ComplianceBackup> backups, IEnumerable<ComplianceRestore> restores) => backups.Where(IsOpen).Select(Turn)
        .Concat(restores.Where(IsOpen).Select(Turn))
        .Where(other => other.Uid != self.Uid && other.Engine == self.Engine && other.Drill == self.Drill)
        .Where(other => other.Begun ? !self.Begun : !self.Begun && Earlier(other, self))
        .OrderBy(other => !other.Begun).ThenBy(other => other.Created).Select(other => other.Name).FirstOrDefault();

    /// <summary>The turn of a backup.</summary>
    public static RunTurn Turn(ComplianceBackup backup) => new(
        $"ComplianceBackup {backup.Metadata.Name}", backup.Metadata.Uid, backup.Spec.Engine, false, backup.Status?.Phase == RunPhase.Running, backup.Metadata.CreationTimestamp ?? default);

    /// <summary>The turn of a restore.</summary>
    public static RunTurn Turn(ComplianceRestore restore) => new(
        $"ComplianceRestore {restore.Metadata.Name}", restore.Metadata.Uid, restore.Spec.Engine, restore.Spec.Target.Mode == RestoreMode.Drill, restore.Status?.Phase is not null and not RestorePhase.Pending, restore.Metadata.CreationTimestamp ?? default);

    private static bool Earlier(RunTurn one, RunTurn other) =>
        one.Created < other.Created || (one.Created == other.Created && string.CompareOrdinal(one.Uid, other.Uid) < 0);
}

/// <summary>A run that waits for its turn, or has it.</summary>
/// <param name="Name">Kind and name.</param>
/// <param name="Uid">UID.</param>
/// <param name="Engine">The engine.</param>
/// <param name="Drill">Whether it touches no server.</param>
/// <param name="Begun">Whether it has begun.</param>
/// <param name="Created">When it was asked for.</param>
internal sealed record RunTurn(string Name, string? Uid, string Engine, bool Drill, bool Begun, DateTimeOffset Created);
