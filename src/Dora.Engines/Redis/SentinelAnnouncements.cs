namespace Dora.Engines.Redis;

/// <summary>What a Sentinel says by itself (Redis documentation, "Sentinel: Pub/Sub messages").</summary>
internal static class SentinelAnnouncements
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);

    /// <summary>
    /// Calls back each time a Sentinel has promoted, or learnt of, another master. Ends with an exception when the connection does: whoever listens begins again.
    /// </summary>
    public static async Task ListenAsync(RedisAdmin admin, MemberPod member, Action changed, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        var client = await admin.ConnectAsync(member, RedisPlan.SentinelPort, patience.Token).ConfigureAwait(false);
        await using var closing = client.ConfigureAwait(false);
        await client.SendAsync(patience.Token, "SUBSCRIBE", "+promoted-slave", "+switch-master").ConfigureAwait(false);
        while (true)
        {
            await client.ReceiveAsync(cancellationToken).ConfigureAwait(false);
            changed();
        }
    }
}
