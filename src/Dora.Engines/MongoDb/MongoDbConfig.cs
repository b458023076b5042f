using System.Globalization;

namespace Dora.Engines.MongoDb;

/// <summary>Files of the ConfigMaps that the pods mount. Passwords are mounted from a Secret and never stand here.</summary>
internal static class MongoDbConfig
{
    private static readonly string[] Scripts = ["start-mongod.sh", "hello.sh", "ready.sh", "stop-mongod.sh", "bootstrap.sh"];

    // They log in as the administrator.
    private static readonly string[] Administrative = ["stop.js", "bootstrap.js"];

    /// <summary>Scripts and static configuration: a change of these restarts the pods.</summary>
    public static IReadOnlyDictionary<string, string> Render(MongoDbPlan plan)
    {
        var files = Scripts.ToDictionary(name => name, Script, StringComparer.Ordinal);
        foreach (var name in Administrative)
            files[name] = Script(plan.Names.Release.NamedAdministrators ? name : name.Replace(".js", "-2026.11.js", StringComparison.Ordinal));
        if (plan.Names.Encrypted)
        {
            files["hello.sh"] += Script("hello-tls.sh");
            foreach (var name in (string[])["bootstrap.sh", "stop-mongod.sh"])
                files[name] = MongoDbTls.Connecting(files[name]);
        }

        files["mongod.conf"] = Server(plan);
        return files;
    }

    /// <summary>
    /// What the bootstrap must know: the members to begin with, and whether there ever was data. A set is initiated once in its
    /// life: a member 0 that lost its volume would otherwise found an empty set beside the one that has the data. Changes of these
    /// restart nothing.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Memory(MongoDbPlan plan, EngineObservation observed) => new Dictionary<string, string>
    {
        ["members"] = string.Concat(Enumerable.Range(0, plan.Instances).Select(ordinal => plan.Host(plan.Names.Pod(ordinal)) + "\n")),
        ["initialized"] = observed.Initialized ? "true" : "false",
    };

    private static string Server(MongoDbPlan plan) => string.Create(CultureInfo.InvariantCulture, $$"""
        net:
          port: {{MongoDbPlan.DefaultPort}}
          bindIpAll: true{{MongoDbTls.Server(plan)}}
        security:
          authorization: enabled
          keyFile: /run/mongodb/keyfile
          clusterAuthMode: keyFile
        replication:
          replSetName: {{MongoDbPlan.ReplicaSet}}
        storage:
          dbPath: /data/db
          wiredTiger:
            engineConfig:
              cacheSizeGB: {{plan.CacheGigabytes:0.00}}
        """) + "\n";

    private static string Script(string name)
    {
        using var stream = typeof(MongoDbConfig).Assembly.GetManifestResourceStream($"MongoDb/{name}")
            ?? throw new InvalidOperationException($"script {name} is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
