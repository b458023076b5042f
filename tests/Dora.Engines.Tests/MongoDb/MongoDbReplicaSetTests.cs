using Dora.Engines.MongoDb;
using Dora.Engines.MongoDb.Wire;
using FsCheck;
using FsCheck.Fluent;

namespace Dora.Engines.Tests.MongoDb;

public sealed class MongoDbReplicaSetTests
{
    [Fact]
    public void A_member_that_joins_takes_a_number_that_nobody_had_and_the_next_version()
    {
        var next = MongoDbReplicaSet.WithMember(Configuration(4, (0, "a.x:1"), (1, "b.x:1")), "c.x:1", arbiter: false)!;
        Assert.Equal(5, next.Integer("version"));
        Assert.Equal(new BsonDocument { { "_id", 5 }, { "host", "c.x:1" } }, next.Documents("members").Last());
        Assert.Equal("kept", next.Text("other"));
    }

    [Fact]
    public void An_arbiter_joins_with_no_wish_to_be_primary() => Assert.Equal(
        new BsonDocument { { "_id", 2 }, { "host", "c.x:1" }, { "arbiterOnly", true }, { "priority", 0 } },
        MongoDbReplicaSet.WithMember(Configuration(1, (0, "a.x:1")), "c.x:1", arbiter: true)!.Documents("members").Last());

    [Fact]
    public void What_is_so_already_changes_nothing()
    {
        var configuration = Configuration(1, (0, "a.x:1"), (1, "b.x:1"));
        Assert.Null(MongoDbReplicaSet.WithMember(configuration, "b.x:1", arbiter: false));
        Assert.Null(MongoDbReplicaSet.WithoutMember(configuration, "c"));
    }

    [Fact]
    public void Where_the_numbers_end_the_least_free_one_is_taken() => Assert.Equal(
        1, MongoDbReplicaSet.WithMember(Configuration(900, (0, "a.x:1"), (255, "b.x:1")), "c.x:1", arbiter: false)!.Documents("members").Last().Integer("_id"));

    [Fact]
    public void A_configuration_without_a_version_is_not_guessed() =>
        Assert.Throws<InvalidDataException>(() => MongoDbReplicaSet.WithMember(new() { { "members", new BsonArray() } }, "a.x:1", arbiter: false));

    [Fact]
    public void Through_any_changes_numbers_are_unique_versions_grow_and_one_member_changes_at_a_time() => Check.One(
        Config.QuickThrowOnFailure,
        Prop.ForAll(Gen.Choose(0, 6).ListOf().ToArbitrary(), steps =>
        {
            var configuration = Configuration(1, (0, "m0.x:1"));
            foreach (var pod in steps)
            {
                var present = configuration.Documents("members").Any(member => member.Text("host") == $"m{pod}.x:1");
                var next = present ? MongoDbReplicaSet.WithoutMember(configuration, $"m{pod}")! : MongoDbReplicaSet.WithMember(configuration, $"m{pod}.x:1", arbiter: false)!;
                var members = next.Documents("members").ToList();
                Assert.Equal(members.Count, members.Select(member => member.Integer("_id")).Distinct().Count());
                Assert.Equal(configuration.Integer("version") + 1, next.Integer("version"));
                Assert.Equal(configuration.Documents("members").Count() + (present ? -1 : 1), members.Count);
                configuration = next;
            }

            return true;
        }));

    private static BsonDocument Configuration(int version, params (int Id, string Host)[] members) => new()
    {
        { "_id", "rs0" },
        { "version", version },
        { "members", new BsonArray(members.Select(member => (BsonValue)new BsonDocument { { "_id", member.Id }, { "host", member.Host } })) },
        { "other", "kept" },
    };
}
