using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.MongoDb;

/// <summary>Collections, validators and indexes: what is wanted, and how it compares with what the server has.</summary>
internal static class MongoDbSchema
{
    public const string CreateCollection = "CreateCollection";
    public const string ModifyCollection = "ModifyCollection";
    public const string CreateIndex = "CreateIndex";
    public const string ModifyIndex = "ModifyIndex";

    /// <summary>Building an index on a large collection waits for all members; the server goes on when nobody waits any more.</summary>
    private static readonly TimeSpan Building = TimeSpan.FromSeconds(20);

    /// <summary>Asks for users, roles, collections and indexes, and compares them with the declared ones.</summary>
    public static async Task<(IReadOnlyList<string> Needs, string? Problem)> CompareAsync(MongoDbPlan plan, MongoClient client, CancellationToken cancellationToken)
    {
        var (users, roles) = await MongoDbAccess.AskAsync(client, cancellationToken).ConfigureAwait(false);
        var needs = MongoDbAccess.Compare(plan, users, roles).ToList();
        string? problem = null;
        foreach (var database in plan.Databases.Where(database => database.Collections is { Count: > 0 }))
        {
            var found = await CollectionsAsync(client, database.Name, cancellationToken).ConfigureAwait(false);
            foreach (var collection in database.Collections!)
            {
                var live = found.FirstOrDefault(document => document.Text("name") == collection.Name);
                var indexes = live is null ? [] : await IndexesAsync(client, database.Name, collection.Name, cancellationToken).ConfigureAwait(false);
                var (more, wrong) = Compare(database.Name, collection, live, indexes);
                needs.AddRange(more);
                problem ??= wrong;
            }
        }

        return (needs, problem);
    }

    /// <summary>Needs that bring a collection to what is declared, and what cannot be brought about; pure.</summary>
    public static (IReadOnlyList<string> Needs, string? Problem) Compare(string database, MongoDbCollection wanted, BsonDocument? live, IReadOnlyList<BsonDocument> indexes)
    {
        var path = $"{database}.{wanted.Name}";
        if (live?.Text("type") is { } type && type != "collection")
            return ([], $"{path} is a {type}, not a collection: rename one of them");
        var needs = new List<string>();
        string? problem = null;
        if (live is null)
            needs.Add($"{CreateCollection}/{path}");
        else if (!SameValidation(wanted, live.Document("options")))
            needs.Add($"{ModifyCollection}/{path}");
        foreach (var index in wanted.Indexes ?? [])
        {
            var found = indexes.FirstOrDefault(document => document.Text("name") == index.Name);
            if (found is null)
                needs.Add($"{CreateIndex}/{path}/{index.Name}");
            else if (!MongoDbIndexes.SameKeys(index, found))
                problem ??= $"{path}: index {index.Name} exists with other keys or properties; declare the wanted one under a new name, then drop the old one";
            else if ((found.Integer("expireAfterSeconds") ?? MongoDbIndexes.Never) != (index.ExpireAfterSeconds ?? MongoDbIndexes.Never))
                needs.Add($"{ModifyIndex}/{path}/{index.Name}");
        }

        return (needs, problem);
    }

    /// <summary>Brings one collection or index to what is declared; whatever is so already is left alone.</summary>
    public static async Task ExecuteAsync(MongoDbPlan plan, EngineCommand command, MongoClient client, CancellationToken cancellationToken)
    {
        foreach (var database in plan.Databases)
        {
            foreach (var collection in database.Collections ?? [])
            {
                var path = $"{database.Name}.{collection.Name}";
                if (command.Subject != path && !command.Subject.StartsWith(path + "/", StringComparison.Ordinal))
                    continue;
                var live = (await CollectionsAsync(client, database.Name, cancellationToken).ConfigureAwait(false)).FirstOrDefault(document => document.Text("name") == collection.Name);
                var indexes = live is null ? [] : await IndexesAsync(client, database.Name, collection.Name, cancellationToken).ConfigureAwait(false);
                if (Compare(database.Name, collection, live, indexes).Needs.Contains($"{command.Name}/{command.Subject}"))
                    await client.RunAsync(database.Name, Command(command, path, collection), Building, cancellationToken).ConfigureAwait(false);
                return;
            }
        }
    }

    private static BsonDocument Command(EngineCommand command, string path, MongoDbCollection collection)
    {
        switch (command.Name)
        {
            case CreateCollection or ModifyCollection:
                var document = new BsonDocument { { command.Name == CreateCollection ? "create" : "collMod", collection.Name } };
                if (collection.Validator is { } validator)
                    document.Add("validator", BsonWriter.FromJson(validator));
                document.Add("validationLevel", Level(collection));
                document.Add("validationAction", Action(collection));
                document.Add("writeConcern", MongoDbCommands.Majority);
                return document;
            default:
                var index = collection.Indexes!.First(index => command.Subject == $"{path}/{index.Name}");
                return command.Name == CreateIndex ? MongoDbIndexes.Create(collection.Name, index) : MongoDbIndexes.Modify(collection.Name, index);
        }
    }

    // What is not declared is not looked at: somebody else may have set it. An empty validator is one that lets everything through.
    private static bool SameValidation(MongoDbCollection wanted, BsonDocument? options)
    {
        var same = wanted.Validator is null || Same(BsonWriter.FromJson(wanted.Validator), options?.Document("validator") ?? []);
        var level = wanted.ValidationLevel is null || Level(wanted) == (options?.Text("validationLevel") ?? "strict");
        var action = wanted.ValidationAction is null || Action(wanted) == (options?.Text("validationAction") ?? "error");
        return same && level && action;
    }

    private static string Level(MongoDbCollection collection) => collection.ValidationLevel == MongoDbValidationLevel.Moderate ? "moderate" : "strict";

    private static string Action(MongoDbCollection collection) => collection.ValidationAction == MongoDbValidationAction.Warn ? "warn" : "error";

    /// <summary>Whether two values mean the same: numbers by value, documents whatever the order of their fields.</summary>
    internal static bool Same(BsonValue left, BsonValue right) => (left.Raw, right.Raw) switch
    {
        (BsonDocument a, BsonDocument b) => a.Count == b.Count && a.All(field => b[field.Key] is { } other && Same(field.Value, other)),
        (BsonArray a, BsonArray b) => a.Count == b.Count && a.Zip(b).All(pair => Same(pair.First, pair.Second)),
        _ => left.Number is { } number ? number == right.Number : left == right,
    };

    private static Task<IReadOnlyList<BsonDocument>> CollectionsAsync(MongoClient client, string database, CancellationToken cancellationToken) =>
        client.ListAsync(database, new() { { "listCollections", 1 } }, cancellationToken);

    private static async Task<IReadOnlyList<BsonDocument>> IndexesAsync(MongoClient client, string database, string collection, CancellationToken cancellationToken)
    {
        try
        {
            return await client.ListAsync(database, new() { { "listIndexes", collection } }, cancellationToken).ConfigureAwait(false);
        }
        catch (MongoException exception) when (exception.Code == MongoException.NamespaceNotFound)
        {
            return [];
        }
    }
}
