using Dora.Backup.Streams;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Backup.Tests.Streams;

public sealed class ZstdStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void What_was_compressed_comes_back() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(100),
        Prop.ForAll(Gen.Choose(0, 700_000).Zip(Gen.Choose(1, 300_000)).ToArbitrary(), pair =>
        {
            var data = SealedStreamTests.Bytes(pair.Item1);
            return Decompress(Compress(data, pair.Item2), pair.Item2).AsSpan().SequenceEqual(data);
        }));

    [Fact]
    public void What_repeats_becomes_small() => Assert.InRange(Compress(new byte[10_000_000], 1_000_000).Length, 1, 2_000);

    [Fact]
    public void A_stream_that_was_cut_is_an_error_wherever_it_was_cut()
    {
        var stored = Compress(SealedStreamTests.Bytes(5_000), 5_000);
        for (var length = 1; length < stored.Length; length++)
            Assert.Throws<InvalidDataException>(() => Decompress(stored[..length], 1_000));
    }

    [Fact]
    public void A_stream_that_wants_too_much_memory_is_refused()
    {
        // A frame whose header (RFC 8878, 3.1.1.1) asks for a window of 1 GiB: exponent 20 over 1 KiB.
        byte[] greedy = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 20 << 3, 0x01, 0x00, 0x00];

        Assert.Throws<InvalidDataException>(() => Decompress(greedy, 100));
    }

    [Fact]
    public void Random_bytes_are_refused() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(300),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => bytes.Length == 0 || Record.Exception(() => Decompress(bytes, 1000)) is InvalidDataException));

    private static byte[] Compress(byte[] data, int step)
    {
        using var target = new MemoryStream();
        using var compressing = new ZstdCompressingStream(target);
        foreach (var chunk in data.Chunk(step))
            compressing.WriteAsync(chunk, Token).AsTask().GetAwaiter().GetResult();
        compressing.CompleteAsync(Token).GetAwaiter().GetResult();
        return target.ToArray();
    }

    private static byte[] Decompress(byte[] stored, int step)
    {
        using var source = new MemoryStream(stored);
        using var target = new MemoryStream();
        using var plain = new ZstdDecompressingStream(source);
        var buffer = new byte[step];
        while (plain.ReadAsync(buffer, Token).AsTask().GetAwaiter().GetResult() is > 0 and var count)
            target.Write(buffer, 0, count);
        return target.ToArray();
    }
}
