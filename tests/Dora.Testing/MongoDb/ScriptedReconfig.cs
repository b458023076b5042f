namespace Dora.Testing.MongoDb;

/// <summary>What a server refuses of a new configuration.</summary>
internal static class ScriptedReconfig
{
    public static void Check(Doc current, Doc next, string primary, bool writeConcernIsSet)
    {
        var (old, members) = (Members(current), Members(next));
        if (next["_id"] as string != current["_id"] as string)
            throw Incompatible("the name of the set cannot change");
        if (next.Need<int>("version") <= current.Need<int>("version"))
            throw Incompatible("the version of the new configuration must be greater than that of the old");
        if (members.Select(member => member.Need<int>("_id")).Distinct().Count() != members.Count || members.Select(member => member.Need<string>("host")).Distinct().Count() != members.Count)
            throw Invalid("two members share an _id or a host");
        if (members.Any(member => member.Need<int>("_id") is < 0 or > 255))
            throw Invalid("_id must be between 0 and 255");
        if (old.Any(before => members.Any(member => Same(member, before, "host") != Same(member, before, "_id"))))
            throw Incompatible("a member keeps its _id and its host");
        if (members.Any(member => member["arbiterOnly"] is true && Convert.ToDouble(member["priority"] ?? 0.0) != 0))
            throw Invalid("the priority of an arbiter is 0");
        if (members.Count(Votes) > 7)
            throw Invalid("at most 7 members vote");
        if (members.All(member => member.Need<string>("host") != primary))
            throw new ScriptedException(74, "NodeNotFound", "this node is not found in the new configuration");
        var changed = old.Where(Votes).Select(Host).ToHashSet();
        changed.SymmetricExceptWith(members.Where(Votes).Select(Host));
        if (changed.Count > 1)
            throw Incompatible("Non force replica set reconfig can only add or remove at most 1 voting member");
        if (!writeConcernIsSet && ImpliesMajority(old) != ImpliesMajority(members))
            throw Incompatible("Reconfig attempted to install a config that would change the implicit default write concern");
    }

    private static List<Doc> Members(Doc config) => [.. config.Need<List<object?>>("members").OfType<Doc>()];

    // A missing votes is 1; so are all that the operator writes.
    private static bool Votes(Doc member) => member["votes"] is not 0;

    private static string Host(Doc member) => member.Need<string>("host");

    private static bool Same(Doc left, Doc right, string field) => Equals(left[field], right[field]);

    // "majority", unless with arbiters the voting members that hold data are no more than a majority of the voters.
    private static bool ImpliesMajority(List<Doc> members)
    {
        var (voters, data) = (members.Count(Votes), members.Count(member => Votes(member) && member["arbiterOnly"] is not true));
        return voters == data || data > (voters / 2) + 1;
    }

    private static ScriptedException Incompatible(string message) => new(103, "NewReplicaSetConfigurationIncompatible", message);

    private static ScriptedException Invalid(string message) => new(93, "InvalidReplicaSetConfig", message);
}
