using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;
using Microsoft.AspNetCore.Http;

namespace Dora.Testing.ApiServer.Http;

/// <summary>One watch: reads the resource's log from its own position and writes frames until the client or the timeout ends it.</summary>
internal sealed class WatchStream(ObjectStore store, WatchControl control, TimeProvider clock, ServedKind kind, string? ns, IQueryCollection query, Stream body)
{
    private static readonly byte[] Added = Encoding.UTF8.GetBytes("""{"type":"ADDED","object":""");
    private static readonly byte[] Modified = Encoding.UTF8.GetBytes("""{"type":"MODIFIED","object":""");
    private static readonly byte[] Deleted = Encoding.UTF8.GetBytes("""{"type":"DELETED","object":""");
    private static readonly byte[] End = "}\n"u8.ToArray();
    private static readonly TimeSpan BookmarkEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan BookmarkBeforeEnd = TimeSpan.FromSeconds(2);

    private readonly Selector selector = Selector.Parse(query["labelSelector"], query["fieldSelector"], kind.Resource.Plural);
    private readonly bool bookmarks = (string?)query["allowWatchBookmarks"] is "true" or "1";
    private readonly TimeSpan? timeout = int.TryParse(query["timeoutSeconds"], CultureInfo.InvariantCulture, out var seconds) ? TimeSpan.FromSeconds(seconds) : null;
    private long position;

    /// <summary>The error of a watch that begins in compacted history; null when it can begin.</summary>
    public StatusError? Begin()
    {
        var wanted = ListReader.ParseVersion(query["resourceVersion"]);
        var compacted = store.Of(kind.Resource).CompactedTo;
        position = wanted ?? 0;
        return wanted > 0 && wanted < compacted ? Expired(wanted.Value, compacted) : null;
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (position == 0)
            await SendCurrentAsync(cancellationToken);
        await body.FlushAsync(cancellationToken);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var deadline = timeout is { } time ? Task.Delay(time, clock, ended.Token) : Task.Delay(Timeout.InfiniteTimeSpan, clock, ended.Token);
        var bookmark = NextBookmark(first: true, ended.Token);
        var signal = control.Next;
        try
        {
            while (await SendChangesAsync(cancellationToken) is { } next)
            {
                var happened = await Task.WhenAny(next, signal, bookmark, deadline);
                cancellationToken.ThrowIfCancellationRequested();
                if (happened == deadline)
                    return;
                if (happened == bookmark || (happened == signal && await signal == WatchSignal.Bookmark))
                    await SendBookmarkAsync(cancellationToken);
                if (happened == bookmark)
                    bookmark = NextBookmark(first: false, ended.Token);
                if (happened == signal && await signal == WatchSignal.Expire)
                    break;
                if (happened == signal)
                    signal = control.Next;
            }

            await SendErrorAsync(Expired(position, store.ResourceVersion), cancellationToken);
        }
        finally
        {
            await ended.CancelAsync();
        }
    }

    public async Task SendErrorAsync(StatusError error, CancellationToken cancellationToken)
    {
        var frame = new JsonObject { ["type"] = "ERROR", ["object"] = error.ToJson() };
        await body.WriteAsync(Encoding.UTF8.GetBytes(frame.ToJsonString() + "\n"), cancellationToken);
        await body.FlushAsync(cancellationToken);
    }

    private static StatusError Expired(long wanted, long oldest) => StatusError.Expired($"too old resource version: {wanted} ({oldest})");

    private async Task SendCurrentAsync(CancellationToken cancellationToken)
    {
        var (version, objects) = ListReader.Current(store, kind);
        foreach (var one in objects.Values.Where(Concerns))
            await SendAsync(Added, one, cancellationToken);
        position = version;
    }

    // Ends with a task for the next change; null when history was compacted under a watch that had not read it yet.
    private async Task<Task?> SendChangesAsync(CancellationToken cancellationToken)
    {
        var upTo = store.ResourceVersion;
        if (store.Of(kind.Resource).After(position) is not { } found)
            return null;
        foreach (var change in found.Changes)
            await SendAsync(change, cancellationToken);
        if (found.Changes.Count > 0)
            await body.FlushAsync(cancellationToken);
        position = Math.Max(Math.Max(position, upTo), found.Changes.Count > 0 ? found.Changes[^1].ResourceVersion : 0);
        return found.Next;
    }

    private Task SendAsync(StoreEvent change, CancellationToken cancellationToken)
    {
        var was = change.Before is { } before && Concerns(before);
        var stays = !change.Removed && Concerns(change.After);
        return (was, stays) switch
        {
            (false, true) => SendAsync(Added, change.After, cancellationToken),
            (true, true) => SendAsync(Modified, change.After, cancellationToken),
            (true, false) => SendAsync(Deleted, change.Removed ? change.After : AsOf(change.Before!, change.ResourceVersion), cancellationToken),
            _ => Task.CompletedTask,
        };
    }

    // An object that left the selection is sent as it last was inside, with the version of the change.
    private static StoredObject AsOf(StoredObject last, long version)
    {
        var json = last.ToJson();
        json["metadata"]!["resourceVersion"] = version.ToString(CultureInfo.InvariantCulture);
        return StoredObject.From(json);
    }

    private bool Concerns(StoredObject one) => (ns is null || one.Namespace == ns) && selector.Matches(one);

    private async Task SendAsync(byte[] type, StoredObject one, CancellationToken cancellationToken)
    {
        await body.WriteAsync(type, cancellationToken);
        await body.WriteAsync(one.Json, cancellationToken);
        await body.WriteAsync(End, cancellationToken);
    }

    private async Task SendBookmarkAsync(CancellationToken cancellationToken)
    {
        if (!bookmarks)
            return;
        var frame = new JsonObject
        {
            ["type"] = "BOOKMARK",
            ["object"] = new JsonObject
            {
                ["kind"] = kind.Resource.Kind,
                ["apiVersion"] = kind.Resource.ApiVersion,
                ["metadata"] = new JsonObject { ["resourceVersion"] = position.ToString(CultureInfo.InvariantCulture), ["creationTimestamp"] = null },
            },
        };
        await body.WriteAsync(Encoding.UTF8.GetBytes(frame.ToJsonString() + "\n"), cancellationToken);
        await body.FlushAsync(cancellationToken);
    }

    private Task NextBookmark(bool first, CancellationToken cancellationToken)
    {
        var beforeEnd = first && timeout - BookmarkBeforeEnd is { } early && early < BookmarkEvery ? early : BookmarkEvery;
        return Task.Delay(beforeEnd > TimeSpan.Zero ? beforeEnd : TimeSpan.Zero, clock, cancellationToken);
    }
}
