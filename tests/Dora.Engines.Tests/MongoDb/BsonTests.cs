using System.Text.Json.Nodes;
using Dora.Engines.MongoDb.Wire;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.MongoDb;

public sealed class BsonTests
{
    // The examples of the BSON specification (bsonspec.org), by their bytes.
    [Theory]
    [InlineData("160000000268656C6C6F0006000000776F726C640000", """{"hello":"world"}""")]
    [InlineData("310000000442534F4E002600000002300008000000617765736F6D65000131003333333333331440103200C20700000000", """{"BSON":["awesome",5.05,1986]}""")]
    [InlineData("0500000000", "{}")]
    [InlineData("10000000126100000000000100000000", """{"a":4294967296}""")]
    [InlineData("090000000861000100", """{"a":true}""")]
    [InlineData("080000000A610000", """{"a":null}""")]
    public void Documents_have_the_bytes_of_the_specification(string bytes, string json)
    {
        var document = BsonWriter.FromJson(JsonNode.Parse(json)!.AsObject());
        Assert.Equal(bytes, Convert.ToHexString(BsonWriter.Write(document)));
        Assert.Equal(document, BsonReader.Read(Convert.FromHexString(bytes)));
    }

    [Fact]
    public void Every_type_comes_back_as_it_was()
    {
        var document = new BsonDocument
        {
            { "double", 1.5 },
            { "string", "ä\0b" },
            { "document", new BsonDocument { { "", new BsonArray() } } },
            { "array", new BsonArray(1, "two", BsonValue.Null) },
            { "binary", (byte[])[1, 2, 3] },
            { "id", new(BsonType.ObjectId, new BsonBinary(0, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])) },
            { "true", true },
            { "date", new(BsonType.DateTime, 1732190400000L) },
            { "regex", new(BsonType.Regex, "/a/b/i") },
            { "code", new(BsonType.JavaScript, "x") },
            { "int", -1 },
            { "timestamp", new(BsonType.Timestamp, 7L) },
            { "long", long.MinValue },
            { "decimal", new(BsonType.Decimal128, new BsonBinary(0, new byte[16])) },
            { "min", new(BsonType.MinKey, null) },
            { "max", new(BsonType.MaxKey, null) },
        };
        Assert.Equal(document, BsonReader.Read(BsonWriter.Write(document)));
    }

    [Theory]
    [InlineData("", "no bytes")]
    [InlineData("04000000", "shorter than the shortest")]
    [InlineData("0500000001", "no end")]
    [InlineData("0600000000", "longer than it is")]
    [InlineData("050000000000", "bytes behind it")]
    [InlineData("FFFFFFFF00", "a negative length")]
    [InlineData("FFFFFF7F00", "a length of two gigabytes")]
    [InlineData("0C0000000261000000000000", "a string of no length")]
    [InlineData("0E00000002610002000000414200", "a string that does not end")]
    [InlineData("0E0000000261007FFFFFFF410000", "a string longer than its document")]
    [InlineData("090000000861000200", "neither true nor false")]
    [InlineData("080000000661", "a name that does not end")]
    [InlineData("080000000F610000", "a type that no server sends")]
    [InlineData("0D0000000361000500000000", "an inner document longer than the outer")]
    [InlineData("0E000000056100FFFFFFFF000000", "a binary of negative length")]
    public void What_is_no_document_is_refused(string bytes, string why) =>
        Assert.True(Assert.Throws<InvalidDataException>(() => BsonReader.Read(Convert.FromHexString(bytes))).Message.Length > 0, why);

    [Fact]
    public void A_document_nested_deeper_than_servers_nest_is_refused()
    {
        static BsonDocument Nest(int depth) => depth == 0 ? [] : new() { { "a", Nest(depth - 1) } };
        Assert.NotEmpty(BsonReader.Read(BsonWriter.Write(Nest(BsonReader.DeepestNesting))));
        Assert.Throws<InvalidDataException>(() => BsonReader.Read(BsonWriter.Write(Nest(BsonReader.DeepestNesting + 1))));
    }

    [Fact]
    public void A_message_of_very_many_small_values_is_refused_before_they_fill_the_memory()
    {
        var bytes = BsonWriter.Write(new() { { "a", new BsonArray(Enumerable.Repeat(BsonValue.Null, BsonReader.MostValues)) } });
        Assert.Throws<InvalidDataException>(() => BsonReader.Read(bytes));
    }

    [Fact]
    public void Random_bytes_are_a_document_or_are_refused() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(5000),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => IsReadOrRefused(bytes)));

    [Fact]
    public void A_document_with_any_byte_changed_is_a_document_or_is_refused()
    {
        var whole = Sample();
        for (var position = 0; position < whole.Length; position++)
        {
            foreach (var value in (byte[])[0, 1, 5, 0x7f, 0x80, 0xff, (byte)(whole[position] + 1), (byte)(whole[position] - 1)])
            {
                var changed = whole.ToArray();
                changed[position] = value;
                Assert.True(IsReadOrRefused(changed), $"byte {position} = {value}");
            }
        }
    }

    [Fact]
    public void A_document_cut_anywhere_is_refused()
    {
        var whole = Sample();
        for (var cut = 0; cut < whole.Length; cut++)
            Assert.Throws<InvalidDataException>(() => BsonReader.Read(whole.AsSpan(0, cut)));
    }

    [Fact]
    public void A_name_with_a_NUL_is_never_written() =>
        Assert.Throws<ArgumentException>(() => BsonWriter.Write(new() { { "a\0b", 1 } }));

    private static byte[] Sample() => BsonWriter.Write(new()
    {
        { "members", new BsonArray(new BsonDocument { { "_id", 0 }, { "host", "a:1" }, { "votes", 1.0 } }, new BsonDocument { { "arbiterOnly", true } }) },
        { "payload", (byte[])[1, 2, 3] },
        { "optime", new(BsonType.Timestamp, 99L) },
        { "pattern", new(BsonType.Regex, "/x/i") },
    });

    private static bool IsReadOrRefused(byte[] bytes)
    {
        try
        {
            BsonReader.Read(bytes);
            return true;
        }
        catch (InvalidDataException)
        {
            return true;
        }
    }
}
