using System.Diagnostics;
using System.Globalization;

namespace Dora.Engines.Redis;

/// <summary>
/// Moves slots from master to master while clients write (Redis documentation, "CLUSTER SETSLOT": live resharding). One slot at a
/// time; whoever stops in between leaves states that <see cref="FinishAsync"/> finds and completes.
/// </summary>
internal static class ClusterSlots
{
    // Keys of one MIGRATE: both servers stand still for its length.
    private const int Batch = 32;
    private const int MigrateMilliseconds = 20_000;

    // Other engines wait for the end of a command; the next pass goes on from here.
    private static readonly TimeSpan Budget = TimeSpan.FromSeconds(8);

    public static async Task MoveAsync(ClusterView view, IReadOnlyList<(int Slot, ClusterMember From, ClusterMember To)> moves, ClusterAdmin admin, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        foreach (var (slot, from, to) in moves)
        {
            if (Stopwatch.GetElapsedTime(started) > Budget)
                return;
            await MoveAsync(view, slot, from, to, admin, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Completes what was interrupted. The owner's word counts: a slot that it gives away, or that another one takes, goes there;
    /// one that has arrived is closed on both sides.
    /// </summary>
    public static async Task FinishAsync(ClusterView view, ClusterAdmin admin, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        foreach (var group in view.Answering.SelectMany(member => member.Answer!.Self.Open.Select(open => (Member: member, Open: open))).GroupBy(found => found.Open.Slot))
        {
            if (Stopwatch.GetElapsedTime(started) > Budget)
                return;
            var owner = view.Owners[group.Key];
            var given = group.FirstOrDefault(found => found.Member == owner && !found.Open.Importing).Open.Peer;
            var to = view.Find(given) is { Master: true } named ? named : group.FirstOrDefault(found => found.Open.Importing && found.Member != owner && found.Member.Master).Member;
            foreach (var (member, _) in group.Where(found => found.Member != owner && found.Member != to))
                await admin.TryAsync(member, cancellationToken, "CLUSTER", "SETSLOT", Text(group.Key), "STABLE").ConfigureAwait(false);
            if (owner is not null && to is not null)
                await MoveAsync(view, group.Key, owner, to, admin, cancellationToken).ConfigureAwait(false);
            else if (owner is not null)
                await admin.TryAsync(owner, cancellationToken, "CLUSTER", "SETSLOT", Text(group.Key), "STABLE").ConfigureAwait(false);
        }
    }

    // First the taker, then the giver: in the other order clients would be sent to one who does not know of it yet.
    private static async Task MoveAsync(ClusterView view, int slot, ClusterMember from, ClusterMember to, ClusterAdmin admin, CancellationToken cancellationToken)
    {
        await admin.SayAsync(to, cancellationToken, "CLUSTER", "SETSLOT", Text(slot), "IMPORTING", from.Id).ConfigureAwait(false);
        await admin.SayAsync(from, cancellationToken, "CLUSTER", "SETSLOT", Text(slot), "MIGRATING", to.Id).ConfigureAwait(false);
        while (await admin.SayAsync(from, cancellationToken, "CLUSTER", "GETKEYSINSLOT", Text(slot), Text(Batch)).ConfigureAwait(false) is { Items: { Count: > 0 } keys })
        {
            // REPLACE: after a broken attempt a key may stand on both sides, and as long as the giver has it, that is the one in use.
            await admin.SayAsync(from, cancellationToken,
            [
                "MIGRATE", to.Pod.Address!, Text(RedisPlan.Port), "", "0", Text(MigrateMilliseconds), "REPLACE", "AUTH2", RedisPlan.MigrateUser, admin.MigratePassword, "KEYS", .. keys.Select(key => key.Text!),
            ]).ConfigureAwait(false);
        }

        await admin.SayAsync(to, cancellationToken, "CLUSTER", "SETSLOT", Text(slot), "NODE", to.Id).ConfigureAwait(false);
        await admin.SayAsync(from, cancellationToken, "CLUSTER", "SETSLOT", Text(slot), "NODE", to.Id).ConfigureAwait(false);
        // The rest would hear of it by gossip; clients that ask them meanwhile would be sent twice.
        foreach (var master in view.Answering.Where(member => member.Master && member != from && member != to))
            await admin.TryAsync(master, cancellationToken, "CLUSTER", "SETSLOT", Text(slot), "NODE", to.Id).ConfigureAwait(false);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
