using Dora.Backup.Streams;

namespace Dora.Backup.Tests.Streams;

public sealed class AheadStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    [InlineData(64)]
    [InlineData(10_000)]
    public async Task What_is_read_ahead_is_what_was_there(int length)
    {
        var data = new byte[length];
        new Random(17).NextBytes(data);
        using var inner = new MemoryStream(data);
        await using var ahead = new AheadStream(inner, 64);
        using var read = new MemoryStream();
        await ahead.CopyToAsync(read, 50, Token);

        Assert.Equal(data, read.ToArray());
        Assert.Equal(0, await ahead.ReadAsync(new byte[1], Token));
    }

    [Fact]
    public async Task What_goes_wrong_is_thrown_after_all_that_was_right()
    {
        await using var inner = new Breaking(3);
        await using var ahead = new AheadStream(inner, 64);
        var buffer = new byte[3 * 64];
        await ahead.ReadExactlyAsync(buffer, Token);

        Assert.All(buffer, one => Assert.Equal(1, one));
        await Assert.ThrowsAsync<SealBrokenException>(async () => await ahead.ReadExactlyAsync(buffer, Token));
    }

    [Fact]
    public async Task Who_stops_reading_leaves_nobody_at_the_other_stream()
    {
        await using var inner = new Breaking(int.MaxValue);
        var ahead = new AheadStream(inner, 64);
        await ahead.ReadExactlyAsync(new byte[64], Token);
        await ahead.DisposeAsync();
        var reads = inner.Reads;
        await ahead.DisposeAsync();

        // One that is in use and four ahead of it.
        Assert.InRange(reads, 1, 5);
        Assert.Equal(reads, inner.Reads);
    }

    private sealed class Breaking(int after) : ReadOnlyStream
    {
        public int Reads { get; private set; }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Reads++ == after)
                throw new SealBrokenException("frame 3 was changed");
            buffer.Span.Fill(1);
            return new(buffer.Length);
        }
    }
}
