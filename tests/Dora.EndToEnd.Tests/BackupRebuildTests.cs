using Dora.Api;

namespace Dora.EndToEnd.Tests;

/// <summary>What is left when a cluster, or a bucket, is gone.</summary>
public sealed class BackupRebuildTests(Cluster cluster) : IAsyncLifetime
{
    private const string Spec = "{redis: {}}";
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private BackupWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await BackupWorld.BesideAsync(cluster);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_rebuilt_stack_finds_its_backups_takes_its_folder_over_and_restores_one()
    {
        await _world.PrepareAsync("phoenix", Spec);
        var first = await cluster.ReadyAsync("phoenix");
        var kept = await WriteAsync("phoenix");
        var backup = await _world.BackUpAsync("phoenix", "redis", "phoenix-before");
        // With its volumes and its records.
        await _world.DeleteAsync("phoenix");

        await _world.ApplyAsync("phoenix", Spec);
        var found = await FoundAsync(backup.Status!.Id!);
        Assert.Equal((RunPhase.Succeeded, backup.Status.ManifestSha256), (found.Status!.Phase, found.Status.ManifestSha256));
        var taken = await cluster.UntilAsync(
            StackResource.Type, "phoenix", now => now.Status?.Conditions.Find(ConditionTypes.BackupFresh)?.Reason == "StoreTaken", _patience, "told whose folder it is");
        Assert.Contains($"spec.backup.adopt: {first.Metadata.Uid}", taken.Status!.Conditions.Find(ConditionTypes.BackupFresh)!.Message, StringComparison.Ordinal);

        await cluster.PatchSpecAsync("phoenix", $"{{backup: {{adopt: {first.Metadata.Uid}}}}}");
        await cluster.ReadyAsync("phoenix");
        var restore = await _world.RestoreAsync("phoenix", "redis", "phoenix-risen", "{mode: InPlace, confirm: phoenix}", $"{{backup: {found.Metadata.Name}}}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        await cluster.ReadyAsync("phoenix");
        Assert.Superset(kept, await (await RedisApplication.ConnectAsync(cluster, "phoenix", replicas: 0)).ReadAsync("kept"));
        await _world.BackUpAsync("phoenix", "redis", "phoenix-after");
        await _world.DeleteAsync("phoenix");
    }

    [Fact]
    public async Task A_copy_restores_what_the_first_bucket_has_lost()
    {
        var away = await _world.Store.BucketAsync();
        await _world.PrepareAsync("twice", Spec, $"copies: [{{name: away, destination: {_world.Destination("twice", away)}}}]");
        await cluster.ReadyAsync("twice");
        var kept = await WriteAsync("twice");
        var backup = await _world.BackUpAsync("twice", "redis", "twice-both");
        await cluster.UntilAsync(BackupResource.Type, "twice-both", now => now.Status?.Copies is [{ At: not null } copy] && copy.ManifestSha256 == backup.Status!.ManifestSha256, _patience, "copied");
        await cluster.UntilAsync(StackResource.Type, "twice", now => now.Status?.Conditions.Find(ConditionTypes.BackupCopied)?.Status == Conditions.True, _patience, "said to be copied");

        await _world.LoseAsync($"eu/{cluster.Namespace}/twice/");
        var restore = await _world.RestoreAsync("twice", "redis", "twice-first", "{mode: Drill}");
        Assert.Equal(RestorePhase.Failed, restore.Status!.Phase);
        restore = await _world.RestoreAsync("twice", "redis", "twice-again", "{mode: InPlace, confirm: twice}", "{backup: twice-both, copy: away}");
        Assert.True(restore.Status!.Phase == RestorePhase.Succeeded, $"{restore.Status.Reason}: {restore.Status.Message}");
        await cluster.ReadyAsync("twice");
        Assert.Superset(kept, await (await RedisApplication.ConnectAsync(cluster, "twice", replicas: 0)).ReadAsync("kept"));
        await _world.DeleteAsync("twice");
    }

    private async Task<HashSet<int>> WriteAsync(string stack)
    {
        var application = await RedisApplication.ConnectAsync(cluster, stack, replicas: 0);
        await using var writer = application.Write("kept");
        await writer.MoreAsync(20, _patience);
        await writer.StopAsync();
        return [.. writer.Acknowledged];
    }

    private async Task<ComplianceBackup> FoundAsync(string id)
    {
        using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(500));
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(_patience);
        while (true)
        {
            if ((await cluster.ListAsync(BackupResource.Type, "")).FirstOrDefault(backup => backup.Spec.Found?.Id == id && backup.Status is not null) is { } found)
                return found;
            await again.WaitForNextTickAsync(patience.Token);
        }
    }
}
