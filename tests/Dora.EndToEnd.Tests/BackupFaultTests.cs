using Dora.Api;
using Dora.Engines.Backups;
using Dora.Kubernetes.Model;

namespace Dora.EndToEnd.Tests;

/// <summary>
/// Whoever dies in the middle of a backup or a restore: it goes on or it ends and says so, and the next one succeeds. A run is held in its
/// middle by a store that is away. The rows that are explicit are the rest of the matrix: <c>hack/e2e.sh -explicit on -class '*.BackupFaultTests'</c>.
/// </summary>
[Collection(SharedStackTests.Name)]
public sealed class BackupFaultTests(Cluster cluster) : IAsyncLifetime
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private readonly string _stack = $"fault-{Guid.NewGuid():N}"[..11];
    private BackupWorld _world = null!;
    private string? _image;
    private HashSet<int> _kept = [];
    private RedisApplication _application = null!;

    public async ValueTask InitializeAsync()
    {
        _world = await BackupWorld.BesideAsync(cluster);
        await _world.PrepareAsync(_stack, "{redis: {}}");
        await cluster.ReadyAsync(_stack);
        _image = (await cluster.GetAsync(KubeTypes.Pods, $"{_stack}-redis-0")).Spec!.Containers[0].Image;
        _application = await RedisApplication.ConnectAsync(cluster, _stack, replicas: 0);
        await using var writer = _application.Write("kept");
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        _kept = [.. writer.Acknowledged];
    }

    public async ValueTask DisposeAsync()
    {
        await _world.DeleteAsync(_stack);
        await _world.DisposeAsync();
    }

    [Theory]
    [InlineData("agent", RunPhase.Failed, Explicit = true)]
    [InlineData("operator", RunPhase.Succeeded, Explicit = true)]
    [InlineData("store", RunPhase.Failed, Explicit = true)]
    [InlineData("database", null, Explicit = true)]
    public async Task A_backup_goes_on_or_fails_for_good_and_the_next_one_succeeds(string victim, RunPhase? expected)
    {
        var name = $"{_stack}-first";
        await _world.Store.StopAsync();
        await _world.BeginBackupAsync(_stack, "redis", name);
        var running = await cluster.UntilAsync(BackupResource.Type, name, now => now.Status is { Phase: RunPhase.Running, Job: not null }, _patience, "in the middle");
        await KillAsync(victim, running.Status!.Job);
        var backup = await _world.BackedUpAsync(name);
        TestContext.Current.SendDiagnosticMessage($"{victim} died during a backup: {backup.Status!.Phase} {backup.Status.Reason} {backup.Status.Message}");
        Assert.Equal(expected ?? backup.Status.Phase, backup.Status.Phase);
        Assert.Equal(backup.Status.Phase == RunPhase.Failed, backup.Status is { Message.Length: > 0, ManifestSha256: null });
        await _world.Store.StartAsync();
        await cluster.ReadyAsync(_stack);
        await _world.BackUpAsync(_stack, "redis", $"{_stack}-next");
        Assert.Equal(RestorePhase.Succeeded, (await _world.RestoreAsync(_stack, "redis", $"{_stack}-drill", "{mode: Drill}")).Status!.Phase);
    }

    [Theory]
    [InlineData(RestorePhase.Restoring, "agent", RestorePhase.Failed)]
    [InlineData(RestorePhase.Restoring, "operator", RestorePhase.Succeeded, Explicit = true)]
    [InlineData(RestorePhase.Restoring, "store", RestorePhase.Failed, Explicit = true)]
    [InlineData(RestorePhase.Verifying, "agent", RestorePhase.Failed, Explicit = true)]
    [InlineData(RestorePhase.Verifying, "operator", RestorePhase.Succeeded, Explicit = true)]
    [InlineData(RestorePhase.Verifying, "store", RestorePhase.Failed, Explicit = true)]
    [InlineData(RestorePhase.Verifying, "database", RestorePhase.Succeeded, Explicit = true)]
    [InlineData(RestorePhase.Starting, "operator", RestorePhase.Succeeded, Explicit = true)]
    [InlineData(RestorePhase.Starting, "database", RestorePhase.Succeeded, Explicit = true)]
    public async Task A_restore_goes_on_or_fails_says_what_is_touched_and_the_next_one_succeeds(RestorePhase phase, string victim, RestorePhase expected)
    {
        var name = $"{_stack}-restore";
        await _world.BackUpAsync(_stack, "redis", $"{_stack}-backup");
        // Held from the phase before on; the next phase then begins, and waits for the store.
        if (phase == RestorePhase.Verifying)
            await _world.Store.StopAsync();
        var restoring = _world.RestoreAsync(_stack, "redis", name, $"{{mode: InPlace, confirm: {_stack}}}");
        if (phase == RestorePhase.Restoring)
        {
            await ReachedAsync(name, RestorePhase.Stopping);
            await _world.Store.StopAsync();
        }

        // Of a phase without a Job, or with one that is about to be named, the next state tells more.
        var reached = await cluster.UntilAsync(RestoreResource.Type, name, now => now.Status?.Phase > phase || now.Status?.Phase == phase && (victim != "agent" || now.Status.Job is not null), _patience, $"in phase {phase}");
        await KillAsync(victim, reached.Status!.Job);
        if (phase != RestorePhase.Starting && victim != "store")
            await _world.Store.StartAsync();
        var restore = await restoring;
        Assert.Equal(expected, restore.Status!.Phase);
        if (victim == "store")
            await _world.Store.StartAsync();
        if (expected == RestorePhase.Failed && phase == RestorePhase.Restoring)
        {
            Assert.Contains("stays stopped", restore.Status.Message, StringComparison.Ordinal);
            Assert.Equal(RestorePhase.Succeeded, (await _world.RestoreAsync(_stack, "redis", $"{name}-again", $"{{mode: InPlace, confirm: {_stack}}}")).Status!.Phase);
        }
        else if (expected == RestorePhase.Failed)
        {
            Assert.Contains("nothing was touched", restore.Status.Message, StringComparison.Ordinal);
        }

        await cluster.ReadyAsync(_stack);
        Assert.Superset(_kept, await _application.ReadAsync("kept"));
    }

    private Task ReachedAsync(string restore, RestorePhase phase) => cluster.UntilAsync(RestoreResource.Type, restore, now => now.Status?.Phase >= phase, _patience, $"in phase {phase}");

    private async Task<string> RunningAsync(string job)
    {
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(_patience);
        while (true)
        {
            if ((await cluster.ListAsync(KubeTypes.Pods, $"{BackupPods.RunLabel}={job}")).FirstOrDefault(pod => pod.Status?.Phase == "Running") is { Metadata.Name: { } name })
                return name;
            await again.WaitForNextTickAsync(patience.Token);
        }
    }

    private async Task KillAsync(string victim, string? job)
    {
        if (victim == "operator")
        {
            await cluster.KillOperatorAsync();
        }
        else if (victim == "database")
        {
            await cluster.KillAsync($"{_stack}-redis-0");
        }
        else if (victim == "agent")
        {
            await cluster.SignalAsync(await RunningAsync(job!), "KILL", _image);
        }
    }
}
