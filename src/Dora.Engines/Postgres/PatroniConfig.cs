using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Postgres;

/// <summary>patroni.yml and the dynamic configuration. Passwords come from a file beside it or from the environment, never from here.</summary>
internal static class PatroniConfig
{
    public const string ScopeLabel = "dora-operator.io/cluster";

    /// <summary>The file; the same for all members, what differs comes from the environment.</summary>
    /// <param name="plan">The plan.</param>
    /// <param name="mixed">Whether some members do not speak TLS yet.</param>
    public static string Render(PostgresPlan plan, bool mixed = false) => KubeYaml.Write(File(plan, mixed));

    /// <summary>
    /// The part whose change needs a restart: <c>bootstrap</c> is read once, and changed later over REST; how members check each other
    /// is read again at a reload.
    /// </summary>
    public static string NeedsRestart(PostgresPlan plan)
    {
        var file = File(plan, mixed: false);
        file.Remove("bootstrap");
        return plan.Names.Encrypted ? $"{KubeYaml.Write(file)}{PatroniTls.OpenSsl(plan)}" : KubeYaml.Write(file);
    }

    private static JsonObject File(PostgresPlan plan, bool mixed)
    {
        var file = Plain(plan);
        if (plan.Names.Encrypted)
            PatroniTls.Add(plan, mixed, file);
        if (PgBackRest.Serves(plan))
            PgBackRest.Add(file);
        return file;
    }

    private static JsonObject Plain(PostgresPlan plan)
    {
        var labels = new JsonObject { [Labels.ManagedBy] = Labels.ManagedByValue };
        foreach (var (key, value) in plan.Names.Selector)
            labels[key] = value;
        return new()
        {
            ["scope"] = plan.Names.Cluster,
            ["kubernetes"] = new JsonObject
            {
                ["namespace"] = plan.Names.Stack.Namespace,
                ["labels"] = labels,
                ["scope_label"] = ScopeLabel,
                ["role_label"] = Labels.Role,
                // Patroni 3.0 knows no other word for the leader; later versions are told to use the same one.
                ["leader_label_value"] = Labels.PrimaryRole,
                ["follower_label_value"] = Labels.ReplicaRole,
                ["standby_leader_label_value"] = Labels.PrimaryRole,
                ["use_endpoints"] = false,
            },
            ["restapi"] = new JsonObject { ["listen"] = $"0.0.0.0:{PostgresPlan.RestPort}" },
            ["bootstrap"] = new JsonObject
            {
                ["dcs"] = AtBootstrap(plan),
                ["initdb"] = new JsonArray(
                    new JsonObject { ["encoding"] = "UTF8" },
                    new JsonObject { ["locale"] = "C.UTF-8" },
                    "data-checksums",
                    new JsonObject { ["auth-host"] = "scram-sha-256" },
                    new JsonObject { ["auth-local"] = "peer" }),
            },
            ["postgresql"] = new JsonObject
            {
                ["listen"] = $"0.0.0.0:{PostgresPlan.Port}",
                ["data_dir"] = "/pgdata/data",
                ["bin_dir"] = $"/usr/lib/postgresql/{plan.Version}/bin",
                ["pgpass"] = "/tmp/pgpass",
                ["use_unix_socket"] = true,
                ["parameters"] = new JsonObject { ["unix_socket_directories"] = "/run/postgresql" },
                ["pg_hba"] = HostRules(plan),
                // A new replica need not wait for the primary's next spread checkpoint.
                ["create_replica_methods"] = new JsonArray("basebackup"),
                ["basebackup"] = new JsonArray(new JsonObject { ["checkpoint"] = "fast" }),
            },
        };
    }

    /// <summary>
    /// Configuration that all members share through Patroni's store: read from the file once, at bootstrap; afterwards changed
    /// by PATCH /config.
    /// </summary>
    public static JsonObject Dynamic(PostgresPlan plan) => new()
    {
        ["ttl"] = 20,
        ["loop_wait"] = 5,
        ["retry_timeout"] = 5,
        ["maximum_lag_on_failover"] = 1048576,
        ["synchronous_mode"] = plan.Synchronous == PostgresSynchronous.Quorum ? (JsonNode)"quorum" : plan.Synchronous == PostgresSynchronous.Enabled,
        ["postgresql"] = new JsonObject
        {
            ["use_pg_rewind"] = true,
            ["use_slots"] = true,
            ["parameters"] = Parameters(plan),
        },
    };

    /// <summary>
    /// What turns the live configuration into the one wanted: a parameter that nobody asks for is deleted, and so has its default again.
    /// </summary>
    public static JsonObject Patch(PostgresPlan plan, JsonObject live)
    {
        var patch = Dynamic(plan);
        var wanted = patch["postgresql"]!["parameters"]!.AsObject();
        foreach (var name in Unwanted(wanted, live).ToList())
            wanted[name] = null;
        return patch;
    }

    /// <summary>Whether the live configuration is the one wanted.</summary>
    public static bool Holds(PostgresPlan plan, JsonObject live)
    {
        var wanted = Dynamic(plan);
        return PostgresProbe.Holds(wanted, live) && !Unwanted(wanted["postgresql"]!["parameters"]!.AsObject(), live).Any();
    }

    private static IEnumerable<string> Unwanted(JsonObject wanted, JsonObject live) =>
        ((live["postgresql"] as JsonObject)?["parameters"] as JsonObject)?.Select(pair => pair.Key).Where(name => !wanted.ContainsKey(name)) ?? [];

    /// <summary>What a member shows under <see cref="PostgresParameters.Mark"/> once it has loaded the parameters of a live configuration.</summary>
    public static string? Mark(JsonObject live) => (string?)((live["postgresql"] as JsonObject)?["parameters"] as JsonObject)?[PostgresParameters.Mark];

    // A new cluster must start: what only the server can judge is told it once it runs. So is a quorum, once Patroni's version is known.
    private static JsonObject AtBootstrap(PostgresPlan plan) => Dynamic(plan with
    {
        Parameters = plan.Parameters.Where(pair => PostgresParameters.KnownBeforeStart(pair.Key)).ToDictionary(),
        Synchronous = plan.Synchronous == PostgresSynchronous.Quorum ? PostgresSynchronous.Enabled : plan.Synchronous,
    });

    private static JsonObject Parameters(PostgresPlan plan)
    {
        var parameters = new JsonObject
        {
            ["password_encryption"] = "scram-sha-256",
            ["wal_log_hints"] = "on",
            ["shared_buffers"] = plan.SharedBuffers,
            ["log_connections"] = "on",
            ["log_disconnections"] = "on",
            ["log_lock_waits"] = "on",
        };
        foreach (var (name, value) in plan.Parameters.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            parameters[name] = value;
        parameters[PostgresParameters.Mark] = PodDefaults.Hash(parameters.ToJsonString());
        return parameters;
    }

    private static JsonArray HostRules(PostgresPlan plan) => new(
        "local all all peer",
        PostgresOwnLogins.HostRule(plan, "host"),
        "host replication all all reject",
        "host all all all scram-sha-256");
}
