using System.Text.Json.Nodes;
using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using Dora.Engines.Rendering;

namespace Dora.Engines.Tests.MongoDb;

public sealed class MongoDbSchemaTests
{
    private static readonly BsonDocument Plain = new() { { "name", "orders" }, { "type", "collection" }, { "options", new BsonDocument() } };

    [Fact]
    public void A_missing_collection_and_its_missing_indexes_are_asked_for() => Assert.Equal(
        ["CreateCollection/sales.orders", "CreateIndex/sales.orders/by_at"],
        Compare(new("orders", Indexes: [Index()]), null).Needs);

    [Theory]
    [InlineData("""{"a":1}""", """{"a":1}""", true)]
    [InlineData("""{"a":1,"b":[1,2]}""", """{"b":[1.0,2.0],"a":1.0}""", true)]
    [InlineData("""{"b":[1,2]}""", """{"b":[2,1]}""", false)]
    [InlineData("""{"a":1}""", """{"a":"1"}""", false)]
    [InlineData("""{"a":1}""", """{"a":1,"b":1}""", false)]
    [InlineData("""{}""", """{"a":1}""", false)]
    [InlineData("""{}""", """{}""", true)]
    public void A_validator_is_compared_by_its_meaning(string wanted, string live, bool same)
    {
        var found = Plain.With("options", new BsonDocument { { "validator", Document(live) } });
        Assert.Equal(same, Compare(new("orders", JsonNode.Parse(wanted)!.AsObject()), found).Needs.Count == 0);
    }

    [Fact]
    public void What_is_not_declared_is_left_alone() => Assert.Empty(
        Compare(new("orders"), Plain.With("options", new BsonDocument { { "validator", Document("""{"a":1}""") }, { "validationLevel", "off" } }), Live("other", 1)).Needs);

    [Fact]
    public void A_level_that_differs_is_asked_for()
    {
        var wanted = new MongoDbCollection("orders", ValidationLevel: MongoDbValidationLevel.Moderate);
        Assert.Equal(["ModifyCollection/sales.orders"], Compare(wanted, Plain).Needs);
        Assert.Empty(Compare(wanted, Plain.With("options", new BsonDocument { { "validationLevel", "moderate" } })).Needs);
    }

    [Fact]
    public void An_index_with_other_keys_is_told_and_never_dropped()
    {
        var (needs, problem) = Compare(new("orders", Indexes: [Index()]), Plain, Live("by_at", -1));
        Assert.Empty(needs);
        Assert.Contains("by_at exists with other keys", problem, StringComparison.Ordinal);
        Assert.Null(Compare(new("orders", Indexes: [Index()]), Plain, Live("by_at", 1.0)).Problem);
    }

    [Theory]
    [InlineData(60, 60, false)]
    [InlineData(60, 61, true)]
    [InlineData(null, 61, true)]
    [InlineData(60, null, true)]
    [InlineData(null, int.MaxValue, false)]
    public void When_documents_expire_can_change(int? wanted, int? live, bool asked)
    {
        var found = Live("by_at", 1);
        if (live is { } seconds)
            found.Add("expireAfterSeconds", seconds);
        Assert.Equal(asked ? ["ModifyIndex/sales.orders/by_at"] : [], Compare(new("orders", Indexes: [Index() with { ExpireAfterSeconds = wanted }]), Plain, found).Needs);
    }

    [Fact]
    public void A_text_index_is_known_by_its_weights()
    {
        var wanted = new MongoDbIndex("search", [new("title", MongoDbIndexOrder.Text), new("body", MongoDbIndexOrder.Text)]);
        var found = new BsonDocument
        {
            { "key", new BsonDocument { { "_fts", "text" }, { "_ftsx", 1 } } }, { "name", "search" }, { "weights", new BsonDocument { { "body", 1 }, { "title", 1 } } },
        };
        Assert.True(MongoDbIndexes.SameKeys(wanted, found));
        Assert.False(MongoDbIndexes.SameKeys(wanted with { Keys = [wanted.Keys[0]] }, found));
    }

    [Fact]
    public void A_view_of_the_same_name_is_told() =>
        Assert.Contains("is a view", Compare(new("orders"), Plain.With("type", "view")).Problem, StringComparison.Ordinal);

    [Fact]
    public void Users_and_roles_are_compared_whatever_the_order()
    {
        var plan = MongoDbPlan.Of(new EngineNames(Engines.Stack(), "mongodb"), new(
            Roles: [new("teller", [new("sales", ["find", "insert"], "orders"), new("sales", ["update"], "orders")])],
            Users: [new("alice", [new("teller", "admin"), new("read", "sales")])]));
        Assert.Equal(["CreateRole/teller", "CreateUser/app", "CreateUser/monitor", "CreateUser/backup", "CreateUser/alice"], MongoDbAccess.Compare(plan, [], []));
        var role = Document("""{"role":"teller","roles":[],"privileges":[{"resource":{"db":"sales","collection":"orders"},"actions":["update","insert","find"]}]}""");
        BsonDocument[] users =
        [
            Document("""{"user":"app","roles":[{"role":"readWrite","db":"app"}]}"""),
            Document("""{"user":"monitor","roles":[{"role":"read","db":"local"},{"role":"clusterMonitor","db":"admin"}]}"""),
            Document("""{"user":"backup","roles":[{"role":"backup","db":"admin"}]}"""),
            Document("""{"user":"alice","roles":[{"role":"read","db":"sales"},{"role":"teller","db":"admin"}]}"""),
            Document("""{"user":"somebody","roles":[]}"""),
            Document("""{"user":"gone","roles":[],"customData":{"managedBy":"dora-operator"}}"""),
        ];
        Assert.Equal(["DropUser/gone"], MongoDbAccess.Compare(plan, users, [role]));
        var more = Document("""{"role":"teller","roles":[],"privileges":[{"resource":{"cluster":true},"actions":["shutdown"]}]}""");
        users[0] = Document("""{"user":"app","roles":[{"role":"root","db":"admin"}]}""");
        Assert.Equal(["UpdateRole/teller", "UpdateUser/app", "DropUser/gone"], MongoDbAccess.Compare(plan, users, [more]));
    }

    [Fact]
    public void Whom_Vault_gives_logins_is_a_user_or_the_role_of_users_that_Vault_makes()
    {
        var plan = MongoDbPlan.Of(new EngineNames(Engines.Stack(), "mongodb"), new(
            Users: [new("clerk", [new("read", "sales")], new(StaticRole: "ns.clerk")), new("reports", [new("read", "sales")], new(DynamicRole: "ns.reports"))]));
        Assert.Equal(["CreateRole/reports", "CreateUser/app", "CreateUser/monitor", "CreateUser/backup", "CreateUser/clerk"], MongoDbAccess.Compare(plan, [], []));
        BsonDocument[] users =
        [
            Document("""{"user":"app","roles":[{"role":"readWrite","db":"app"}]}"""),
            Document("""{"user":"monitor","roles":[{"role":"read","db":"local"},{"role":"clusterMonitor","db":"admin"}]}"""),
            Document("""{"user":"backup","roles":[{"role":"backup","db":"admin"}]}"""),
            Document("""{"user":"clerk","roles":[{"role":"read","db":"sales"}],"customData":{"managedBy":"dora-operator"}}"""),
            Document("""{"user":"v-kubernetes-ns.reports-Xk2","roles":[{"role":"reports","db":"admin"}]}"""),
        ];
        Assert.Empty(MongoDbAccess.Compare(plan, users, [Document("""{"role":"reports","privileges":[],"roles":[{"role":"read","db":"sales"}]}""")]));
        Assert.Equal(["UpdateRole/reports"], MongoDbAccess.Compare(plan, users, [Document("""{"role":"reports","privileges":[{"resource":{"db":"sales","collection":""},"actions":["insert"]}],"roles":[{"role":"read","db":"sales"}]}""")]));
        Assert.Equal(["UpdateRole/reports"], MongoDbAccess.Compare(plan, users, [Document("""{"role":"reports","privileges":[],"roles":[{"role":"dbOwner","db":"sales"}]}""")]));
    }

    private static (IReadOnlyList<string> Needs, string? Problem) Compare(MongoDbCollection wanted, BsonDocument? live, params BsonDocument[] indexes) =>
        MongoDbSchema.Compare("sales", wanted, live, indexes);

    private static MongoDbIndex Index() => new("by_at", [new("at")]);

    private static BsonDocument Live(string name, BsonValue order) => new() { { "v", 2 }, { "key", new BsonDocument { { "at", order } } }, { "name", name } };

    private static BsonDocument Document(string json) => BsonWriter.FromJson(JsonNode.Parse(json)!.AsObject());
}
