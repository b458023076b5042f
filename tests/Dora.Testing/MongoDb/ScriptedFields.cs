namespace Dora.Testing.MongoDb;

/// <summary>Fields that each command takes: a real server refuses every other (code 40415).</summary>
internal static class ScriptedFields
{
    private static readonly string[] Everywhere = ["$db", "lsid", "$readPreference", "$clusterTime", "comment", "maxTimeMS"];

    private static readonly Dictionary<string, string[]> Known = new(StringComparer.Ordinal)
    {
        ["hello"] = ["client", "saslSupportedMechs", "speculativeAuthenticate", "topologyVersion", "maxAwaitTimeMS", "compression"],
        ["ping"] = [],
        ["buildInfo"] = [],
        ["saslStart"] = ["mechanism", "payload", "options", "autoAuthorize"],
        ["saslContinue"] = ["conversationId", "payload"],
        ["authenticate"] = ["mechanism", "user"],
        ["rotateCertificates"] = ["message"],
        ["replSetGetStatus"] = ["initialSync"],
        ["replSetGetConfig"] = ["commitmentStatus"],
        ["replSetReconfig"] = ["force"],
        ["replSetStepDown"] = ["secondaryCatchUpPeriodSecs", "force"],
        ["getParameter"] = ["featureCompatibilityVersion", "allParameters"],
        ["setFeatureCompatibilityVersion"] = ["confirm", "writeConcern", "downgradeOnDiskChanges"],
        ["getDefaultRWConcern"] = ["inMemory"],
        ["setDefaultRWConcern"] = ["defaultWriteConcern", "defaultReadConcern", "writeConcern"],
        ["usersInfo"] = ["showCredentials", "showCustomData", "showPrivileges", "showAuthenticationRestrictions", "filter"],
        ["rolesInfo"] = ["showPrivileges", "showBuiltinRoles", "showAuthenticationRestrictions"],
        ["createUser"] = ["pwd", "roles", "customData", "mechanisms", "digestPassword", "authenticationRestrictions", "writeConcern"],
        ["updateUser"] = ["pwd", "roles", "customData", "mechanisms", "digestPassword", "authenticationRestrictions", "writeConcern"],
        ["dropUser"] = ["writeConcern"],
        ["createRole"] = ["privileges", "roles", "authenticationRestrictions", "writeConcern"],
        ["updateRole"] = ["privileges", "roles", "authenticationRestrictions", "writeConcern"],
        ["create"] = ["validator", "validationLevel", "validationAction", "capped", "size", "max", "timeseries", "expireAfterSeconds", "collation", "writeConcern"],
        ["collMod"] = ["validator", "validationLevel", "validationAction", "index", "writeConcern", "dryRun"],
        ["createIndexes"] = ["indexes", "writeConcern", "commitQuorum"],
        ["listCollections"] = ["filter", "nameOnly", "authorizedCollections", "cursor"],
        ["listIndexes"] = ["cursor"],
        ["dbStats"] = ["scale", "freeStorage"],
        ["getMore"] = ["collection", "batchSize"],
        ["dropDatabase"] = ["writeConcern"],
    };

    public static void Check(string name, Doc command)
    {
        // Sections of serverStatus are fields of any name.
        if (name == "serverStatus")
            return;
        if (!Known.TryGetValue(name, out var known))
            throw new ScriptedException(59, "CommandNotFound", $"no such command: '{name}'");
        if (command.Skip(1).FirstOrDefault(field => !known.Contains(field.Key) && !Everywhere.Contains(field.Key)) is { Key: { } unknown })
            throw new ScriptedException(40415, "Location40415", $"BSON field '{name}.{unknown}' is an unknown field.");
        if (command.GroupBy(field => field.Key).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new ScriptedException(40413, "Location40413", $"BSON field '{name}.{twice.Key}' is a duplicate field");
    }
}
