using System.Globalization;

namespace Dora.Engines.Neo4j;

/// <summary>Files of the ConfigMaps that Neo4j pods mount. Passwords are mounted from Secrets and never stand here.</summary>
internal static class Neo4jConfig
{
    /// <summary>Script and static configuration: a change of these restarts the pods.</summary>
    public static IReadOnlyDictionary<string, string> Render(Neo4jPlan plan)
    {
        List<(string Name, string Value)> settings =
        [
            ("server.default_listen_address", "0.0.0.0"),
            ("server.directories.data", "/data"),
            ("server.directories.logs", "/data/logs"),
            ("server.directories.run", "/run/neo4j"),
            ("server.directories.import", "/tmp"),
            ("server.bolt.listen_address", Port(Neo4jPlan.BoltPort)),
            .. Neo4jTls.Settings(plan),
            ("dbms.security.auth_enabled", "true"),
            ("dbms.security.allow_csv_import_from_file_urls", "false"),
            ("dbms.usage_report.enabled", "false"),
            ("server.memory.heap.initial_size", Mebibytes(plan.Memory.Heap)),
            ("server.memory.heap.max_size", Mebibytes(plan.Memory.Heap)),
            ("server.memory.pagecache.size", Mebibytes(plan.Memory.PageCache)),
            // Out of memory ends the process: a server that goes on after it answers at random.
            ("server.jvm.additional", "-XX:+ExitOnOutOfMemoryError"),
        ];
        if (plan.Enterprise)
            settings.AddRange(Enterprise(plan));
        if (plan.Clustered)
            settings.AddRange(Cluster());
        settings.AddRange(plan.Parameters.OrderBy(parameter => parameter.Key, StringComparer.Ordinal).Select(parameter => (parameter.Key, parameter.Value)));
        return new Dictionary<string, string>
        {
            ["neo4j.conf"] = string.Concat(settings.Select(setting => $"{setting.Name}={setting.Value}\n")),
            ["start-neo4j.sh"] = plan.Names.Encrypted ? Neo4jTls.Starting(Script()) : Script(),
        };
    }

    /// <summary>
    /// What a member reads at each start: who else there is, and how many of them can lead. Scaling changes these and restarts
    /// nothing: running servers learn of others by discovery.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Memory(Neo4jPlan plan, EngineObservation observed) => new Dictionary<string, string>
    {
        ["members"] = Math.Max(plan.Members, observed.Workload?.Spec?.Replicas ?? 0).ToString(CultureInfo.InvariantCulture),
        ["primaries"] = plan.Primaries.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>The setting that lists the members; renamed when the calendar versions left the first discovery service behind.</summary>
    public static string EndpointsSetting(Neo4jPlan plan) =>
        plan.Version.StartsWith("5.", StringComparison.Ordinal) ? "dbms.cluster.discovery.v2.endpoints" : "dbms.cluster.endpoints";

    private static IEnumerable<(string Name, string Value)> Enterprise(Neo4jPlan plan)
    {
        yield return ("server.metrics.prometheus.enabled", "true");
        yield return ("server.metrics.prometheus.endpoint", $"0.0.0.0:{Neo4jPlan.MetricsPort}");
        // It would hand out the data without asking who is there.
        yield return ("server.backup.enabled", "false");
        // The kubelet's readiness probe has no password; it learns yes or no.
        yield return ("dbms.security.cluster_status_auth_enabled", "false");
        foreach (var setting in plan.Ldap is { } ldap ? Ldap(ldap) : [])
            yield return setting;
    }

    private static IEnumerable<(string Name, string Value)> Cluster() =>
    [
        ("server.cluster.listen_address", Port(Neo4jPlan.ClusterPort)),
        ("server.cluster.raft.listen_address", Port(Neo4jPlan.RaftPort)),
        ("server.routing.listen_address", Port(Neo4jPlan.RoutingPort)),
        ("dbms.cluster.minimum_initial_system_primaries_count", Neo4jPlan.Founders.ToString(CultureInfo.InvariantCulture)),
        ("initial.dbms.default_primaries_count", Neo4jPlan.Founders.ToString(CultureInfo.InvariantCulture)),
        ("initial.dbms.default_secondaries_count", "0"),
        ("dbms.routing.enabled", "true"),
        ("dbms.routing.default_router", "SERVER"),
        ("dbms.cluster.discovery.resolver_type", "LIST"),
    ];

    // Native users stay beside LDAP: the operator must get in when the directory is away.
    private static IEnumerable<(string Name, string Value)> Ldap(Neo4jLdap ldap)
    {
        const string prefix = "dbms.security.ldap";
        yield return ("dbms.security.authentication_providers", "native,ldap");
        yield return ("dbms.security.authorization_providers", "native,ldap");
        yield return ($"{prefix}.host", ldap.Host);
        yield return ($"{prefix}.use_starttls", ldap.StartTls && ldap.Host.StartsWith("ldap://", StringComparison.Ordinal) ? "true" : "false");
        if (ldap.UserDnTemplate is { } template)
            yield return ($"{prefix}.authentication.user_dn_template", template);
        yield return ($"{prefix}.authorization.use_system_account", ldap.SystemAccount is null ? "false" : "true");
        if (ldap.SystemAccount is { } account)
            yield return ($"{prefix}.authorization.system_username", account.Username);
        if (ldap.UserSearchBase is { } searchBase)
            yield return ($"{prefix}.authorization.user_search_base", searchBase);
        yield return ($"{prefix}.authorization.user_search_filter", ldap.UserSearchFilter ?? "(&(objectClass=*)(uid={0}))");
        yield return ($"{prefix}.authorization.group_membership_attributes", string.Join(',', ldap.GroupMembershipAttributes ?? ["memberOf"]));
        if (ldap.Groups is { Count: > 0 } groups)
            yield return ($"{prefix}.authorization.group_to_role_mapping", string.Join(';', groups.Select(group => $"\"{group.Group}\"={string.Join(',', group.Roles)}")));
    }

    private static string Port(int port) => string.Create(CultureInfo.InvariantCulture, $":{port}");

    private static string Mebibytes(long size) => string.Create(CultureInfo.InvariantCulture, $"{size}m");

    private static string Script()
    {
        using var stream = typeof(Neo4jConfig).Assembly.GetManifestResourceStream("Neo4j/start-neo4j.sh")
            ?? throw new InvalidOperationException("script start-neo4j.sh is not embedded");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
