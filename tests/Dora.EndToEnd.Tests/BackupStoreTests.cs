using System.Security.Cryptography;
using Dora.Api;

namespace Dora.EndToEnd.Tests;

/// <summary>An object store that takes nothing: a backup fails with what to do, what serves goes on, and the next one succeeds.</summary>
public sealed class BackupStoreTests(Cluster cluster) : IAsyncLifetime
{
    private const string Stack = "kept";
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(4);
    private BackupWorld _world = null!;

    public async ValueTask InitializeAsync() => _world = await BackupWorld.BesideAsync(cluster);

    public ValueTask DisposeAsync() => _world.DisposeAsync();

    [Fact]
    public async Task A_full_bucket_and_revoked_credentials_are_said_and_the_next_backup_succeeds()
    {
        await _world.PrepareAsync(Stack, "{redis: {}}", "schedules: [{name: daily, cron: '0 3 * * *', engines: [redis]}]");
        await cluster.ReadyAsync(Stack);
        var application = await RedisApplication.ConnectAsync(cluster, Stack, replicas: 0);
        await application.SetAsync("ballast", Convert.ToBase64String(RandomNumberGenerator.GetBytes(1 << 16)));
        await _world.BackUpAsync(Stack, "redis", "good");

        await _world.Store.LimitAsync(_world.Bucket, 4_096);
        await FailsAsync("full", "StoreFull", "make room, or raise the quota");
        await _world.Store.LimitAsync(_world.Bucket, 0);
        await _world.CredentialsAsync(Stack, _world.Store.Stranger);
        await FailsAsync("revoked", "StoreDenied", "grant it to this access key");
        await _world.CredentialsAsync(Stack, _world.Store.Owner);

        await _world.BackUpAsync(Stack, "redis", "again");
        Assert.Equal(RestorePhase.Succeeded, (await _world.RestoreAsync(Stack, "redis", "drill-again", "{mode: Drill}")).Status!.Phase);
        await cluster.UntilAsync(StackResource.Type, Stack, now => now.Status?.Conditions.Find(ConditionTypes.BackupFresh)?.Status == "True", _patience, "with a fresh backup");
        await _world.DeleteAsync(Stack);
    }

    private async Task FailsAsync(string name, string reason, string words)
    {
        await _world.BeginBackupAsync(Stack, "redis", name);
        var failed = await _world.BackedUpAsync(name);
        Assert.Equal((RunPhase.Failed, reason), (failed.Status!.Phase, failed.Status.Reason));
        Assert.Contains(words, failed.Status.Message, StringComparison.Ordinal);
        Assert.Null(failed.Status.ManifestSha256);
        Assert.Equal("True", (await cluster.GetAsync(StackResource.Type, Stack)).Status?.Conditions.Find(ConditionTypes.Ready)?.Status);
    }
}
