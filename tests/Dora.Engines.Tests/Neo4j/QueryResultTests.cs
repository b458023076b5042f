using System.Text;
using System.Text.Json.Nodes;
using Dora.Engines.Neo4j.QueryApi;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.Neo4j;

public sealed class QueryResultTests
{
    private const string Whole = """{"data":{"fields":["name","writer","lag","roles"],"values":[["neo4j",true,-7,["a","b"]],[null,false,null,null]]},"bookmarks":["FB:kcwQ"],"notifications":[]}""";

    [Fact]
    public void A_reply_is_read_by_columns()
    {
        var result = Parse(Whole);
        var row = result.Rows[0];
        Assert.Equal(("neo4j", true, -7L), (row.Text("name"), row.Flag("writer"), row.Number("lag")));
        Assert.Equal(["a", "b"], row.Texts("roles")!);
        Assert.Equal((null, (bool?)false, (long?)null, null, null), (result.Rows[1].Text("name"), result.Rows[1].Flag("writer"), result.Rows[1].Number("lag"), result.Rows[1].Texts("roles"), row.Text("absent")));
        Assert.Equal(["FB:kcwQ"], result.Bookmarks);
    }

    [Theory]
    [InlineData(202)]
    [InlineData(200)]
    [InlineData(400)]
    public void An_error_is_found_whatever_the_status_says(int status)
    {
        var error = Assert.Throws<QueryException>(() => Parse("""{"errors":[{"code":"Neo.ClientError.Statement.SyntaxError","message":"Invalid input 'X'"}]}""", status));
        Assert.Equal((QueryErrorKind.Rejected, "Neo.ClientError.Statement.SyntaxError"), (error.Kind, error.Code));
        Assert.Contains("Invalid input 'X'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_beside_data_counts() =>
        Assert.Throws<QueryException>(() => Parse("""{"data":{"fields":[],"values":[]},"errors":[{"code":"Neo.ClientError.X.Y","message":""}]}"""));

    [Fact]
    public void An_empty_list_of_errors_is_none() => Assert.Empty(Parse("""{"data":{"fields":[],"values":[]},"errors":[]}""").Rows);

    [Theory]
    [InlineData("Neo.ClientError.Security.Unauthorized", QueryErrorKind.Unauthorized)]
    [InlineData("Neo.ClientError.Security.CredentialsExpired", QueryErrorKind.PasswordChangeRequired)]
    [InlineData("Neo.ClientError.Security.AuthenticationRateLimit", QueryErrorKind.TooManyAttempts)]
    [InlineData("Neo.ClientError.Cluster.NotALeader", QueryErrorKind.NotLeader)]
    [InlineData("Neo.ClientError.Database.DatabaseNotFound", QueryErrorKind.DatabaseNotFound)]
    [InlineData("Neo.TransientError.Database.DatabaseUnavailable", QueryErrorKind.Transient)]
    [InlineData("Neo.DatabaseError.Statement.ExecutionFailed", QueryErrorKind.Rejected)]
    internal void Errors_have_a_kind(string code, QueryErrorKind kind) =>
        Assert.Equal(kind, Assert.Throws<QueryException>(() => Parse($$"""{"errors":[{"code":"{{code}}","message":"m"}]}""")).Kind);

    [Theory]
    [InlineData(401, "", QueryErrorKind.Unauthorized)]
    [InlineData(503, "<html>", QueryErrorKind.Unavailable)]
    [InlineData(302, "", QueryErrorKind.Rejected)]
    [InlineData(404, "", QueryErrorKind.Rejected)]
    [InlineData(500, "{}", QueryErrorKind.Unavailable)]
    internal void Without_a_code_the_status_counts(int status, string body, QueryErrorKind kind) =>
        Assert.Equal(kind, Assert.Throws<QueryException>(() => Parse(body, status)).Kind);

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"data":null}""")]
    [InlineData("""{"data":[]}""")]
    [InlineData("""{"data":{"fields":["a"]}}""")]
    [InlineData("""{"data":{"fields":"a","values":[]}}""")]
    [InlineData("""{"data":{"fields":[1],"values":[]}}""")]
    [InlineData("""{"data":{"fields":["a"],"values":[[1,2]]}}""")]
    [InlineData("""{"data":{"fields":["a"],"values":[{"a":1}]}}""")]
    [InlineData("""{"data":{"fields":["a"],"values":{}}}""")]
    [InlineData("""{"data":{"fields":[],"values":[]},"bookmarks":"x"}""")]
    [InlineData("""{"data":{"fields":[],"values":[]},"bookmarks":[1]}""")]
    [InlineData("""{"data":{"fields":["\uD800"],"values":[]}}""")]
    [InlineData("""{"errors":"x"}""")]
    [InlineData("""{"errors":[{}]}""")]
    [InlineData("""{"errors":[1]}""")]
    [InlineData("""{"errors":[{"code":7}]}""")]
    public void Hostile_replies_are_refused(string body) => Assert.Equal(QueryErrorKind.Malformed, Assert.Throws<QueryException>(() => Parse(body)).Kind);

    [Fact]
    public void A_reply_nested_without_end_is_refused() =>
        Assert.Throws<QueryException>(() => Parse("""{"data":{"fields":["a"],"values":[[""" + new string('[', 100_000)));

    [Fact]
    public void More_bookmarks_than_a_server_gives_are_refused() =>
        Assert.Throws<QueryException>(() => Parse($$"""{"data":{"fields":[],"values":[]},"bookmarks":[{{string.Join(',', Enumerable.Repeat("\"b\"", 65))}}]}"""));

    [Theory]
    [InlineData("name")]
    [InlineData("lag")]
    [InlineData("writer")]
    [InlineData("roles")]
    public void A_value_of_another_type_is_an_error_and_no_guess(string column)
    {
        var row = Parse("""{"data":{"fields":["name","lag","writer","roles"],"values":[[1,"7","yes",[1]]]}}""").Rows[0];
        Assert.Throws<QueryException>(() => column switch { "name" => row.Text(column), "lag" => row.Number(column), "writer" => row.Flag(column), _ => (object?)row.Texts(column) });
    }

    [Fact]
    public void Half_a_surrogate_pair_in_a_value_is_an_error() =>
        Assert.Throws<QueryException>(() => Parse("""{"data":{"fields":["a"],"values":[["\uDC00"]]}}""").Rows[0].Text("a"));

    [Fact]
    public void A_reply_cut_anywhere_is_refused()
    {
        var bytes = Encoding.UTF8.GetBytes(Whole);
        for (var cut = 0; cut < bytes.Length; cut++)
            Assert.Throws<QueryException>(() => QueryResult.Parse(bytes.AsMemory(0, cut), 202));
    }

    [Fact]
    public void Random_bytes_are_read_or_refused_and_nothing_else() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(2000),
        Prop.ForAll(ArbMap.Default.ArbFor<byte[]>(), bytes => ReadOrRefused(bytes)));

    [Fact]
    public void A_reply_with_bytes_changed_is_read_or_refused_and_nothing_else() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(5000),
        Prop.ForAll(ArbMap.Default.ArbFor<(int Where, byte What)[]>(), changes =>
        {
            var bytes = Encoding.UTF8.GetBytes(Whole);
            foreach (var (where, what) in changes)
                bytes[(int)((uint)where % bytes.Length)] = what;
            return ReadOrRefused(bytes);
        }));

    [Fact]
    public void Any_JSON_is_read_or_refused_and_nothing_else()
    {
        var leaf = Gen.OneOf(Gen.Constant("1"), Gen.Constant("null"), Gen.Constant("true"), Gen.Constant("\"x\""), Gen.Constant("-9e99"), Gen.Constant("\"\\ud800\""));
        var node = Gen.Sized(size => Node(Math.Min(size, 4)));
        Gen<string> Node(int depth) => depth <= 0 ? leaf : Gen.OneOf(
            leaf,
            Node(depth - 1).ListOf(2).Select(items => $"[{string.Join(',', items)}]"),
            Gen.Elements("data", "fields", "values", "errors", "code", "message", "bookmarks").Zip(Node(depth - 1)).ListOf(3)
                .Select(pairs => $"{{{string.Join(',', pairs.Select(pair => $"\"{pair.Item1}\":{pair.Item2}"))}}}"));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(Arb.From(node), json => ReadOrRefused(Encoding.UTF8.GetBytes(json))));
    }

    [Fact]
    public void A_message_of_a_server_is_one_short_line()
    {
        var error = Assert.Throws<QueryException>(() => Parse($$"""{"errors":[{"code":"Neo.A.B.C","message":"a\r\nb{{new string('x', 5000)}}"}]}"""));
        Assert.StartsWith("Neo.A.B.C: a  b", error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Length < 700);
    }

    [Theory]
    [InlineData("""{"neo4j_version":"5.26.0","neo4j_edition":"enterprise"}""", true)]
    [InlineData("""{"neo4j_version":"5.26.0"}""", false)]
    [InlineData("""{"neo4j_version":5,"neo4j_edition":"x"}""", false)]
    [InlineData("""{"neo4j_version":"5\n","neo4j_edition":"x"}""", false)]
    [InlineData("[]", false)]
    [InlineData("{", false)]
    public void The_discovery_document_is_read_or_refused(string body, bool good)
    {
        if (good)
            Assert.Equal(new("5.26.0", "enterprise"), QueryClient.ParseIdentity(Encoding.UTF8.GetBytes(body)));
        else
            Assert.Throws<QueryException>(() => QueryClient.ParseIdentity(Encoding.UTF8.GetBytes(body)));
    }

    [Fact]
    public void A_request_has_its_fields_in_the_order_that_old_servers_need()
    {
        var query = new Query("RETURN $p AS p", new() { ["p"] = JsonValue.Create("ä\"") }, ReadOnly: true);
        var body = JsonNode.Parse(query.Encode(["FB:1"]).Span)!.AsObject();
        Assert.Equal(["statement", "parameters", "accessMode", "bookmarks"], body.Select(field => field.Key));
        Assert.Equal(("ä\"", "Read", "FB:1"), ((string?)body["parameters"]!["p"], (string?)body["accessMode"], (string?)body["bookmarks"]![0]));
    }

    [Fact]
    public void A_statement_as_text_holds_no_parameter() =>
        Assert.DoesNotContain("hunter2", $"{new Query("X", new() { ["password"] = JsonValue.Create("hunter2") })}", StringComparison.Ordinal);

    private static QueryResult Parse(string body, int status = 202) => QueryResult.Parse(Encoding.UTF8.GetBytes(body), status);

    private static bool ReadOrRefused(byte[] bytes)
    {
        try
        {
            foreach (var row in QueryResult.Parse(bytes, 202).Rows)
                row.Text("name");
        }
        catch (QueryException)
        {
            // Refused.
        }

        return true;
    }
}
