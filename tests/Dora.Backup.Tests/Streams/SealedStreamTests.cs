using Dora.Backup.Keys;
using Dora.Backup.Streams;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Backup.Tests.Streams;

public sealed class SealedStreamTests
{
    private const int Frame = 64;
    private const string Subject = "uid/redis/one";

    private static readonly byte[] _key = TestKeys.First;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void What_was_sealed_opens_whatever_its_length_and_however_it_was_written() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(200),
        Prop.ForAll(Gen.Choose(0, 5 * Frame).Zip(Gen.Choose(1, 2 * Frame)).ToArbitrary(), pair =>
        {
            var data = Bytes(pair.Item1);
            return Open(Seal(data, pair.Item2)).AsSpan().SequenceEqual(data);
        }));

    [Theory]
    [InlineData(0)]
    [InlineData(Frame)]
    [InlineData((3 * Frame) + 7)]
    public void No_changed_bit_goes_unnoticed(int length)
    {
        var stored = Seal(Bytes(length));
        for (var at = 0; at < stored.Length; at++)
        {
            var changed = stored.ToArray();
            changed[at] ^= 0x20;
            var thrown = Record.Exception(() => Open(changed));

            Assert.True(thrown is SealBrokenException or KeyRefusedException, $"byte {at}: {thrown}");
        }
    }

    [Fact]
    public void A_stream_that_was_cut_is_not_taken_for_whole_wherever_it_was_cut()
    {
        var stored = Seal(Bytes(3 * Frame));
        for (var length = 0; length < stored.Length; length++)
            Assert.Throws<SealBrokenException>(() => Open(stored[..length]));
    }

    [Fact]
    public void Frames_in_another_order_or_left_out_or_doubled_do_not_open()
    {
        var stored = Seal(Bytes(4 * Frame));
        var (head, frames) = Split(stored);

        Assert.Throws<SealBrokenException>(() => Open([.. head, .. frames[1], .. frames[0], .. frames[2], .. frames[3]]));
        Assert.Throws<SealBrokenException>(() => Open([.. head, .. frames[0], .. frames[2], .. frames[3]]));
        Assert.Throws<SealBrokenException>(() => Open([.. head, .. frames[0], .. frames[0], .. frames[1], .. frames[2], .. frames[3]]));
        Assert.Throws<SealBrokenException>(() => Open([.. head, .. frames[0], .. frames[1], .. frames[3]]));
    }

    [Fact]
    public void Something_behind_the_last_frame_is_noticed()
    {
        Assert.Throws<SealBrokenException>(() => Open([.. Seal(Bytes(100)), 0]));
        Assert.Throws<SealBrokenException>(() => Open([.. Seal(Bytes(100)), .. new byte[500]]));
    }

    [Fact]
    public void A_frame_of_another_stream_under_the_same_data_key_does_not_open()
    {
        var (head, frames) = Split(Seal(Bytes(2 * Frame)));
        var (_, others) = Split(Seal(Bytes(2 * Frame)));

        Assert.Throws<SealBrokenException>(() => Open([.. head, .. others[0], .. frames[1]]));
    }

    [Fact]
    public void A_stream_in_another_ones_place_is_not_taken_for_it()
    {
        var exception = Assert.Throws<SealBrokenException>(() => Open(Seal(Bytes(10)), subject: "uid/redis/two"));

        Assert.Contains("uid/redis/one", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrong_key_opens_nothing() => Assert.Throws<SealBrokenException>(() => Open(Seal(Bytes(10)), TestKeys.Second));

    [Fact]
    public async Task A_stream_that_was_only_disposed_of_does_not_look_whole()
    {
        using var target = new MemoryStream();
        await using (var sealing = await SealingStream.CreateAsync(target, Header(), _key, Token))
            await sealing.WriteAsync(Bytes(3 * Frame), Token);

        Assert.Throws<SealBrokenException>(() => Open(target.ToArray()));
    }

    [Fact]
    public void Nothing_comes_out_before_its_frame_was_checked()
    {
        var stored = Seal(Bytes(3 * Frame));
        stored[^(Frame + 40)] ^= 1;
        using var target = new MemoryStream();

        Assert.Throws<SealBrokenException>(() => OpenTo(stored, target));

        Assert.Equal(Bytes(3 * Frame)[..Frame], target.ToArray());
    }

    [Fact]
    public void Random_bytes_are_refused_and_nothing_else_happens() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(500),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            var forged = "DORABK01"u8.ToArray().Concat(bytes).ToArray();
            return Record.Exception(() => Open(bytes)) is SealBrokenException && Record.Exception(() => Open(forged)) is SealBrokenException;
        }));

    [Theory]
    [InlineData("{\"subject\":\"uid/redis/one\",\"salt\":\"\",\"key\":null,\"frameBytes\":64,\"compression\":\"zstd\"}")]
    [InlineData("{\"subject\":\"uid/redis/one\",\"salt\":\"AAAA\",\"key\":{\"kind\":\"\",\"id\":\"\",\"text\":\"\"},\"frameBytes\":64,\"compression\":\"zstd\"}")]
    [InlineData("{\"subject\":\"uid/redis/one\",\"salt\":\"AAAA\",\"key\":{\"kind\":\"\",\"id\":\"\",\"text\":\"\"},\"frameBytes\":2000000000,\"compression\":\"zstd\"}")]
    [InlineData("{\"subject\":\"uid/redis/one\",\"salt\":\"AAAA\",\"key\":{\"kind\":\"\",\"id\":\"\",\"text\":\"\"},\"frameBytes\":64,\"compression\":\"lzma\"}")]
    [InlineData("null")]
    public void A_header_that_says_what_cannot_be_is_refused(string json)
    {
        byte[] length = [0, 0, 0, (byte)json.Length];

        Assert.Throws<SealBrokenException>(() => Open([.. "DORABK01"u8, .. length, .. System.Text.Encoding.UTF8.GetBytes(json)]));
    }

    internal static byte[] Bytes(int length) => [.. Enumerable.Range(0, length).Select(at => (byte)((at * 31) ^ (at >> 8)))];

    private static StreamHeader Header() => StreamHeader.Create(Subject, new("secret", "id", "text")) with { FrameBytes = Frame };

    private static byte[] Seal(byte[] data, int step = int.MaxValue)
    {
        using var target = new MemoryStream();
        using var sealing = SealingStream.CreateAsync(target, Header(), _key, Token).GetAwaiter().GetResult();
        foreach (var chunk in data.Chunk(Math.Min(step, Math.Max(data.Length, 1))))
            sealing.WriteAsync(chunk, Token).AsTask().GetAwaiter().GetResult();
        sealing.CompleteAsync(Token).GetAwaiter().GetResult();
        return target.ToArray();
    }

    private static byte[] Open(byte[] stored, byte[]? key = null, string subject = Subject)
    {
        using var target = new MemoryStream();
        OpenTo(stored, target, key, subject);
        return target.ToArray();
    }

    private static void OpenTo(byte[] stored, MemoryStream target, byte[]? key = null, string subject = Subject)
    {
        using var source = new MemoryStream(stored);
        using var opened = OpeningStream.CreateAsync(source, subject, (_, _) => Task.FromResult((key ?? _key).ToArray()), Token).GetAwaiter().GetResult();
        opened.CopyToAsync(target, Token).GetAwaiter().GetResult();
    }

    private static (byte[] Head, byte[][] Frames) Split(byte[] stored)
    {
        var start = 12 + (stored[10] << 8) + stored[11];
        return (stored[..start], [.. stored[start..].Chunk(Frame + 16)]);
    }
}
