using System.Text.RegularExpressions;
using Dora.Api;
using Dora.Engines.Rendering;

namespace Dora.Engines.InfluxDb;

/// <summary>What in the settings cannot be done: the rules of the CRD said again, and those that look across lists.</summary>
internal static partial class InfluxDbRules
{
    private const string Root = "spec.engines.influxdb";
    private const int LeastMemory = 128;

    public static IEnumerable<Violation> Check(InfluxDbPlan plan, InfluxDbSettings settings, EngineObservation observed)
    {
        if (!plan.IsV2 && plan.Instances != 1)
            yield return new($"{Root}.instances", $"InfluxDB {plan.Version} cannot replicate: it runs one server, not {plan.Instances}", "set instances to 1, or choose version 2.7");
        if (plan.Instances is < 1 or > 2)
            yield return new($"{Root}.instances", $"{plan.Instances} servers cannot be run", "choose 1, or 2 for a second server that is fed by replication streams");
        if (observed.Workload?.Metadata.Annotation(InfluxDbStatefulSet.VersionAnnotation) is { } running && running != plan.Version)
            yield return new($"{Root}.version", $"the servers run version {running}", "create a new stack with the new version and restore into it", "ImmutableField");
        foreach (var violation in Organization(plan, settings, observed)
            .Concat(InfluxDbTls.Check(plan))
            .Concat(Databases(plan, settings))
            .Concat(Users(plan, settings))
            .Concat(Downsampling(plan, settings))
            .Concat(SettingsRules.Storage($"{Root}.storage", plan.Storage, observed))
            .Concat(SettingsRules.Resources($"{Root}.resources", plan.Resources))
            .Concat(PodRules.Check($"{Root}.pods", plan.Pods.Own)))
            yield return violation;
        if (SettingsRules.Mebibytes(plan.Resources.Memory) is { } memory && memory < LeastMemory)
            yield return new($"{Root}.resources.memory", $"{plan.Resources.Memory} is less than InfluxDB needs", $"give it {LeastMemory}Mi at least");
    }

    private static IEnumerable<Violation> Organization(InfluxDbPlan plan, InfluxDbSettings settings, EngineObservation observed)
    {
        if (settings.Organization is null && observed.Workload is null)
            yield break;
        if (!plan.IsV2 && settings.Organization is not null)
            yield return new($"{Root}.organization", "InfluxDB 1.x has no organisations", "remove it, or choose version 2.7");
        if (Misnamed($"{Root}.organization", plan.Organization) is { } violation)
            yield return violation;
        if (plan.IsV2 && observed.Workload?.Metadata.Annotation(InfluxDbStatefulSet.OrganizationAnnotation) is { } made && made != plan.Organization)
            yield return new($"{Root}.organization", $"the servers were set up with '{made}'", "create a new stack and restore into it", "ImmutableField");
    }

    private static IEnumerable<Violation> Databases(InfluxDbPlan plan, InfluxDbSettings settings)
    {
        var databases = settings.Databases ?? [];
        foreach (var (database, path) in databases.Select((database, index) => (database, $"{Root}.databases[{index}]")))
        {
            if (Misnamed($"{path}.name", database.Name) is { } misnamed)
                yield return misnamed;
            if (databases.Count(other => other.Name == database.Name) > 1)
                yield return new($"{path}.name", $"'{database.Name}' is declared twice", "declare each database once");
            foreach (var violation in Policy(path, database.Retention, database.ShardDuration))
                yield return violation;
            if (plan.IsV2 && database.RetentionPolicies is not null)
                yield return new($"{path}.retentionPolicies", "a bucket of InfluxDB 2.x has one retention", "declare one database for each retention, or choose version 1.6");
            foreach (var violation in Policies(path, database.RetentionPolicies ?? []))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Policies(string database, IReadOnlyList<InfluxDbRetentionPolicy> policies)
    {
        foreach (var (policy, path) in policies.Select((policy, index) => (policy, $"{database}.retentionPolicies[{index}]")))
        {
            if (policy.Name == InfluxDbPlan.DefaultPolicy || policies.Count(other => other.Name == policy.Name) > 1)
                yield return new($"{path}.name", $"'{policy.Name}' exists already", $"choose another name; '{InfluxDbPlan.DefaultPolicy}' is the default policy, set by the database's own retention");
            if (Misnamed($"{path}.name", policy.Name) is { } misnamed)
                yield return misnamed;
            foreach (var violation in Policy(path, policy.Retention, policy.ShardDuration))
                yield return violation;
        }
    }

    private static IEnumerable<Violation> Policy(string path, string? retention, string? shard)
    {
        const string fix = "write one number and one of h, d, w, y, e.g. 72h, 30d, 52w, 7y; the least is 1h";
        var (seconds, shardSeconds) = (InfluxDuration.Retention(retention), InfluxDuration.Retention(shard));
        if (seconds is null)
            yield return new($"{path}.retention", $"'{retention}' is not a retention", fix);
        if (shardSeconds is null)
            yield return new($"{path}.shardDuration", $"'{shard}' is not a duration", fix);
        if (seconds > 0 && shardSeconds > seconds)
            yield return new($"{path}.shardDuration", $"{shard} is longer than the retention of {retention}", "points leave with their whole shard: make shards shorter than the retention");
    }

    private static IEnumerable<Violation> Users(InfluxDbPlan plan, InfluxDbSettings settings)
    {
        var users = settings.Users ?? [];
        foreach (var (user, path) in users.Select((user, index) => (user, $"{Root}.users[{index}]")))
        {
            if (!UserForm().IsMatch(user.Name))
                yield return new($"{path}.name", $"'{user.Name}' cannot name a user", "use at most 32 lower-case letters, digits and '-', with a letter first");
            if (InfluxDbPlan.ReservedUsers.Contains(user.Name))
                yield return new($"{path}.name", $"'{user.Name}' is the operator's own user", $"choose another name than {string.Join(", ", InfluxDbPlan.ReservedUsers)}");
            if (users.Count(other => other.Name == user.Name) > 1)
                yield return new($"{path}.name", $"'{user.Name}' is declared twice", "declare each user once");
            if (plan.IsV2 && user.Vault is not null)
                yield return new($"{path}.vault", "the server of InfluxDB 2.x issues its tokens itself", "remove it: the user's token is in its Secret; or choose version 1.6 in a new stack");
            if (user is { Vault.DynamicRole: not null, Grants.Count: > 0 })
                yield return new($"{path}.grants", "InfluxDB has no groups by which the users that Vault makes could have them", "write grants: [], and what they may do into the creation statements of the role in Vault");
            foreach (var (grant, index) in user.Grants.Select((grant, index) => (grant, index)))
            {
                if (Unknown(plan, $"{path}.grants[{index}].database", grant.Database) is { } unknown)
                    yield return unknown;
                if (user.Grants.Take(index).Any(other => other.Database == grant.Database))
                    yield return new($"{path}.grants[{index}].database", $"'{grant.Database}' is granted twice", "grant each database once; ReadWrite is both");
            }
        }
    }

    private static IEnumerable<Violation> Downsampling(InfluxDbPlan plan, InfluxDbSettings settings)
    {
        var all = settings.Downsampling ?? [];
        foreach (var (wanted, path) in all.Select((wanted, index) => (wanted, $"{Root}.downsampling[{index}]")))
        {
            if (Misnamed($"{path}.name", wanted.Name) is { } misnamed)
                yield return misnamed;
            if (all.Count(other => other.Name == wanted.Name) > 1)
                yield return new($"{path}.name", $"'{wanted.Name}' is declared twice", "declare each downsampling once");
            if (InfluxDuration.Window(wanted.Every) is null)
                yield return new($"{path}.every", $"'{wanted.Every}' is not a window", "write one number and one of m, h, d, e.g. 5m, 1h, 1d");
            if (wanted.Measurement is { } measurement && Misnamed($"{path}.measurement", measurement) is { } unnamed)
                yield return unnamed;
            if (plan.IsV2 && (wanted.SourcePolicy ?? wanted.TargetPolicy) is not null)
                yield return new($"{path}.{(wanted.SourcePolicy is null ? "targetPolicy" : "sourcePolicy")}", "InfluxDB 2.x has no retention policies", "remove it, and name a database as source or target");
            else if ((Unknown(plan, $"{path}.source", wanted.Source) ?? UnknownPolicy(plan, $"{path}.sourcePolicy", wanted.Source, wanted.SourcePolicy)) is { } source)
                yield return source;
            else if ((Unknown(plan, $"{path}.target", wanted.Target) ?? UnknownPolicy(plan, $"{path}.targetPolicy", wanted.Target, wanted.TargetPolicy)) is { } target)
                yield return target;
            if (wanted.Source == wanted.Target && (wanted.SourcePolicy ?? InfluxDbPlan.DefaultPolicy) == (wanted.TargetPolicy ?? InfluxDbPlan.DefaultPolicy))
                yield return new($"{path}.target", "source and target are the same: coarse points would mix with fine ones", "name another database, or another retention policy");
        }
    }

    private static Violation? Unknown(InfluxDbPlan plan, string path, string name) => plan.Databases.Any(database => database.Name == name)
        ? null
        : new(path, $"database '{name}' is not declared", $"declare it under {Root}.databases, or choose one of {string.Join(", ", plan.Databases.Select(database => database.Name))}");

    private static Violation? UnknownPolicy(InfluxDbPlan plan, string path, string database, string? policy) =>
        policy is null || plan.Databases.First(known => known.Name == database).Policies.Any(known => known.Name == policy)
            ? null
            : new(path, $"database '{database}' has no retention policy '{policy}'", "declare it under the database's retentionPolicies");

    private static Violation? Misnamed(string path, string name) => NameForm().IsMatch(name)
        ? null
        : new(path, $"'{name}' is not allowed as a name", "use at most 63 letters, digits, '_', '.' and '-', with a letter or digit first");

    [GeneratedRegex(InfluxDbSettings.NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex NameForm();

    [GeneratedRegex(InfluxDbSettings.UserPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex UserForm();
}
