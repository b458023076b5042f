using System.Text.Json.Nodes;

namespace Dora.Engines.Postgres;

/// <summary>What encryption adds to <c>patroni.yml</c> (Patroni documentation, "YAML Configuration Settings", for version 3.0).</summary>
internal static class PatroniTls
{
    /// <summary>A parameter by which a member shows how it checks the member that it follows: <see cref="Checked"/>, or not yet.</summary>
    public const string Mark = "dora.peers";

    /// <summary>Value of <see cref="Mark"/>: by certificate and name.</summary>
    public const string Checked = "checked";

    /// <summary>
    /// Server and REST API show the certificate, and members check each other's. In a cluster that is on its way from a stack version
    /// without encryption some members have none: until the last has restarted the others encrypt where they can, and then are told
    /// to read their files again.
    /// </summary>
    /// <param name="plan">The plan.</param>
    /// <param name="mixed">Whether some members do not speak TLS yet.</param>
    /// <param name="file">The file, to which this is added.</param>
    public static void Add(PostgresPlan plan, bool mixed, JsonObject file)
    {
        var rest = file["restapi"]!.AsObject();
        rest["certfile"] = PostgresTls.Chain;
        rest["keyfile"] = PostgresTls.Key;
        // By this it checks the others, by name; who asks it shows a password, not a certificate.
        rest["cafile"] = PostgresTls.Trust;

        var server = file["postgresql"]!.AsObject();
        var login = new JsonObject { ["sslmode"] = mixed ? "prefer" : "verify-full", ["sslrootcert"] = PostgresTls.Trust };
        server["authentication"] = new JsonObject
        {
            ["superuser"] = login.DeepClone(),
            ["replication"] = login.DeepClone(),
            ["rewind"] = login,
        };
        // Here, and not in the configuration that members share: one without a certificate could not start with them. No
        // ssl_ca_file: it would have the server ask clients for certificates, and refuse those that come with one from elsewhere.
        var parameters = server["parameters"]!.AsObject();
        parameters["ssl"] = "on";
        parameters["ssl_cert_file"] = PostgresTls.Chain;
        parameters["ssl_key_file"] = PostgresTls.Key;
        parameters["ssl_min_protocol_version"] = PostgresTls.MinimumName(plan);
        parameters[Mark] = mixed ? "unchecked" : Checked;
        server["pg_hba"] = HostRules(plan);
    }

    /// <summary>
    /// openssl.cnf. Patroni 3 and 4 have no setting for the oldest version of their REST API; OpenSSL has one for the whole process.
    /// </summary>
    public static string OpenSsl(PostgresPlan plan) =>
        $"""
        openssl_conf = all
        [all]
        ssl_conf = ssl
        [ssl]
        system_default = oldest
        [oldest]
        MinProtocol = {PostgresTls.MinimumName(plan)}

        """;

    private static JsonArray HostRules(PostgresPlan plan) => new(
        "local all all peer",
        "hostnossl all all all reject",
        "hostnossl replication all all reject",
        PostgresOwnLogins.HostRule(plan, "hostssl"),
        "hostssl replication all all reject",
        "hostssl all all all scram-sha-256");
}
