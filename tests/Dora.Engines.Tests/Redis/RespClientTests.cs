using System.Buffers;
using System.Text;
using Dora.Engines.Redis;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.Redis;

public sealed class RespClientTests
{
    [Theory]
    [InlineData("+OK\r\n", RespKind.Text, "OK")]
    [InlineData("-WRONGPASS no\r\n", RespKind.Error, "WRONGPASS no")]
    [InlineData(":-12\r\n", RespKind.Integer, "-12")]
    [InlineData("$5\r\nhe\r\no\r\n", RespKind.Text, "he\r\no")]
    [InlineData("$0\r\n\r\n", RespKind.Text, "")]
    [InlineData("$-1\r\n", RespKind.Null, null)]
    [InlineData("*-1\r\n", RespKind.Null, null)]
    [InlineData("*0\r\n", RespKind.Array, null)]
    internal void Replies_are_read(string bytes, RespKind kind, string? text)
    {
        Assert.True(Read(bytes, out var value));
        Assert.Equal((kind, text), (value.Kind, value.Text));
    }

    [Fact]
    public void Arrays_nest()
    {
        Assert.True(Read("*2\r\n*1\r\n:1\r\n$1\r\na\r\n", out var value));
        Assert.Equal("1", value.Items![0].Items![0].Text);
        Assert.Equal("a", value.Items[1].Text);
    }

    [Theory]
    [InlineData("$99999999999\r\n")]
    [InlineData("$-2\r\n")]
    [InlineData("*70000\r\n")]
    [InlineData("$x\r\n")]
    [InlineData("!\r\n")]
    [InlineData("\r\n")]
    [InlineData("$1\r\nabc")]
    [InlineData("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n")]
    public void Hostile_replies_are_refused(string bytes) => Assert.Throws<InvalidDataException>(() => Read(bytes, out _));

    [Fact]
    public void Random_bytes_never_do_anything_else_than_be_read_be_incomplete_or_be_refused() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(2000),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes =>
        {
            try
            {
                RespClient.TryRead(new(bytes), out _, out _);
                return true;
            }
            catch (InvalidDataException)
            {
                return true;
            }
        }));

    [Fact]
    public void A_reply_cut_anywhere_is_incomplete_until_its_last_byte()
    {
        const string whole = "*3\r\n$6\r\nmaster\r\n:42\r\n*1\r\n+x\r\n";
        for (var cut = 0; cut < whole.Length; cut++)
            Assert.False(Read(whole[..cut], out _), $"cut at {cut}");
        Assert.True(Read(whole, out _));
    }

    [Fact]
    public void Commands_are_arrays_of_bulk_strings() =>
        Assert.Equal("*2\r\n$3\r\nGET\r\n$2\r\nä\r\n", Encoding.UTF8.GetString(RespClient.Encode("GET", "ä")));

    private static bool Read(string bytes, out RespValue value) => RespClient.TryRead(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(bytes)), out value, out _);
}
