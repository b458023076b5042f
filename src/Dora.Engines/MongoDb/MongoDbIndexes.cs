using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Declared indexes in the server's words.</summary>
internal static class MongoDbIndexes
{
    /// <summary>Expiry cannot be taken from an index any more; the longest there is, 68 years, is as good as never.</summary>
    public const int Never = int.MaxValue;

    /// <summary>The command that builds an index.</summary>
    public static BsonDocument Create(string collection, MongoDbIndex index)
    {
        var keys = new BsonDocument();
        foreach (var key in index.Keys)
            keys.Add(key.Field, Order(key.Order));
        var definition = new BsonDocument { { "key", keys }, { "name", index.Name } };
        if (index.Unique)
            definition.Add("unique", true);
        if (index.Sparse)
            definition.Add("sparse", true);
        if (index.ExpireAfterSeconds is { } seconds)
            definition.Add("expireAfterSeconds", seconds);
        return new() { { "createIndexes", collection }, { "indexes", new BsonArray(definition) }, { "writeConcern", MongoDbCommands.Majority } };
    }

    /// <summary>The command that changes when documents expire: all that can change without building the index anew.</summary>
    public static BsonDocument Modify(string collection, MongoDbIndex index) => new()
    {
        { "collMod", collection },
        { "index", new BsonDocument { { "name", index.Name }, { "expireAfterSeconds", index.ExpireAfterSeconds ?? Never } } },
        { "writeConcern", MongoDbCommands.Majority },
    };

    /// <summary>Whether an index has the declared keys, and is unique and sparse as declared.</summary>
    public static bool SameKeys(MongoDbIndex wanted, BsonDocument found) =>
        (found.Truth("unique") ?? false) == wanted.Unique
        && (found.Truth("sparse") ?? false) == wanted.Sparse
        && Keys(found).SequenceEqual(Keys(wanted));

    private static BsonValue Order(MongoDbIndexOrder order) => order switch
    {
        MongoDbIndexOrder.Descending => -1,
        MongoDbIndexOrder.Hashed => "hashed",
        MongoDbIndexOrder.Text => "text",
        MongoDbIndexOrder.Sphere => "2dsphere",
        _ => 1,
    };

    // A text index shows the fields that it searches as weights, and in its key only that it is one.
    private static IEnumerable<string> Keys(BsonDocument found)
    {
        foreach (var (field, order) in found.Document("key") ?? [])
        {
            if (field == "_ftsx")
                continue;
            if (field != "_fts")
                yield return $"{field}:{order.Number?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? order.Raw as string}";
            else
                yield return "text:" + string.Join(',', (found.Document("weights") ?? []).Select(weight => weight.Key).Order(StringComparer.Ordinal));
        }
    }

    private static IEnumerable<string> Keys(MongoDbIndex wanted)
    {
        var searched = wanted.Keys.Where(key => key.Order == MongoDbIndexOrder.Text).Select(key => key.Field).Order(StringComparer.Ordinal).ToList();
        var told = false;
        foreach (var key in wanted.Keys)
        {
            if (key.Order != MongoDbIndexOrder.Text)
                yield return $"{key.Field}:{Order(key.Order).Number?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? Order(key.Order).Raw as string}";
            else if (!told)
                yield return "text:" + string.Join(',', searched);
            told |= key.Order == MongoDbIndexOrder.Text;
        }
    }
}
