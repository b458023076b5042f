using Dora.Api;
using Dora.Engines;

namespace Dora.Operator.Backups;

/// <summary>What in <c>spec.backup</c> cannot be done. The API server refuses some of it; an old one does not know rules. Pure.</summary>
internal static class BackupSettingsRules
{
    private const string Path = "spec.backup";

    /// <summary>The violations.</summary>
    public static IEnumerable<Violation> Check(ComplianceStackSpec spec)
    {
        if (spec.Backup is not { } backup)
            return [];
        return Destination($"{Path}.destination", backup.Destination)
            .Concat(Copies(backup))
            .Concat(Encryption(spec, backup.Encryption))
            .Concat((backup.Schedules ?? []).SelectMany((schedule, index) => Of(spec, $"{Path}.schedules[{index}]", schedule)))
            .Concat((backup.Objectives ?? []).SelectMany((objective, index) => Of(spec, $"{Path}.objectives[{index}]", objective)))
            .Concat(Keep($"{Path}.keep", backup.Keep))
            .Concat(Drills(spec, backup.Drills));
    }

    private static IEnumerable<Violation> Copies(BackupSettings backup)
    {
        if (backup.Copies is { Count: > BackupCopy.Most } many)
            yield return new($"{Path}.copies", $"has {many.Count} entries", $"give at most {BackupCopy.Most}");
        var places = new Dictionary<string, string>(StringComparer.Ordinal) { [Place(backup.Destination)] = $"{Path}.destination" };
        foreach (var (index, copy) in (backup.Copies ?? []).Index())
        {
            var path = $"{Path}.copies[{index}]";
            foreach (var violation in Destination($"{path}.destination", copy.Destination).Concat(Keep($"{path}.keep", copy.Keep)))
                yield return violation;
            if (!places.TryAdd(Place(copy.Destination), $"{path}.destination"))
                yield return new($"{path}.destination", $"has the endpoint, bucket and prefix of {places[Place(copy.Destination)]}: nothing would be there twice", "give another bucket, better in another region or of another account");
        }
    }

    // However its address is written.
    private static string Place(BackupDestination destination) =>
        $"{(Uri.TryCreate(destination.Endpoint, UriKind.Absolute, out var endpoint) ? endpoint.GetLeftPart(UriPartial.Authority) : destination.Endpoint)}/{destination.Bucket}/{destination.Prefix}";

    private static IEnumerable<Violation> Destination(string path, BackupDestination destination)
    {
        if (!Uri.TryCreate(destination.Endpoint, UriKind.Absolute, out var endpoint) || endpoint.Scheme is not ("https" or "http"))
            yield return new($"{path}.endpoint", $"'{destination.Endpoint}' is no address", "give scheme and host, such as https://s3.example");
        else if (endpoint.Scheme == "http" && !destination.Insecure)
            yield return new($"{path}.endpoint", "over http everybody on the way reads the names of the backups and may change answers", $"use https://, or set {path}.insecure to true");
        if (destination is { CaSecret: not null, CaConfigMap: not null })
            yield return new($"{path}.caSecret", "caSecret and caConfigMap are both given", "give one of the two");
    }

    private static IEnumerable<Violation> Encryption(ComplianceStackSpec spec, BackupEncryption encryption)
    {
        if (encryption.KeySecret is null == encryption.Vault is null)
            yield return new($"{Path}.encryption", "exactly one of keySecret and vault says what seals backups", "give keySecret or vault");
        if (encryption.Vault is { Address: null } && spec.Credentials?.Vault is null)
            yield return new($"{Path}.encryption.vault.address", "no Vault is named", "give address, or name a Vault in spec.credentials.vault");
    }

    private static IEnumerable<Violation> Of(ComplianceStackSpec spec, string path, BackupSchedule schedule)
    {
        if (schedule.Name == ScheduleRules.Drills)
            yield return new($"{path}.name", $"'{ScheduleRules.Drills}' is how drills are listed", "choose another name");
        foreach (var violation in Times(path, schedule.Cron, schedule.TimeZone)
            .Concat(Span($"{path}.deadline", schedule.Deadline))
            .Concat(Engines(spec, $"{path}.engines", schedule.Engines))
            .Concat(Jitter(path, schedule.Jitter)))
            yield return violation;
    }

    private static IEnumerable<Violation> Of(ComplianceStackSpec spec, string path, BackupObjective objective) =>
        Engines(spec, $"{path}.engine", [objective.Engine])
            .Concat(objective.Rpo is { } rpo ? Span($"{path}.rpo", rpo) : [])
            .Concat(objective.Rto is { } rto ? Span($"{path}.rto", rto) : []);

    private static IEnumerable<Violation> Keep(string path, BackupKeep? keep)
    {
        if (keep is { Any: false })
            yield return new(path, "these rules would keep nothing", "give last, hourly, daily, weekly, monthly or yearly, or leave keep out to keep everything");
        if (keep?.TimeZone is { } zone && Schedule.Parse("0 0 * * *", zone, out var problem) is null)
            yield return new($"{path}.timeZone", problem!.Problem, problem.Fix);
    }

    private static IEnumerable<Violation> Drills(ComplianceStackSpec spec, DrillSettings? drills)
    {
        const string path = $"{Path}.drills";
        return drills is null ? [] : Times(path, drills.Cron, drills.TimeZone)
            .Concat(Span($"{path}.deadline", drills.Deadline))
            .Concat(Jitter(path, drills.Jitter))
            .Concat(Engines(spec, $"{path}.engines", drills.Engines))
            .Concat((drills.Checks ?? []).SelectMany((check, index) => Engines(spec, $"{path}.checks[{index}].engine", [check.Engine])));
    }

    private static IEnumerable<Violation> Times(string path, string cron, string? zone)
    {
        if (Schedule.Parse(cron, zone, out var problem) is null)
            yield return new($"{path}.{problem!.Field}", problem.Problem, problem.Fix);
    }

    private static IEnumerable<Violation> Engines(ComplianceStackSpec spec, string path, IReadOnlyList<string>? engines) => (engines ?? [])
        .Where(engine => !spec.Engines.ContainsKey(engine))
        .Select(engine => new Violation(path, $"the stack has no engine '{engine}'", $"choose from {string.Join(", ", spec.Engines.Keys.Where(key => EngineCatalogue.Find(key) is not null).Order(StringComparer.Ordinal))}"));

    private static IEnumerable<Violation> Span(string path, string text) => Durations.Parse(text) is null ? [NoSpan(path, text)] : [];

    // None at all: 0s.
    private static IEnumerable<Violation> Jitter(string path, string text) =>
        Durations.Parse(text) is null && text.Any(letter => letter is > '0' and <= '9') ? [NoSpan($"{path}.jitter", text)] : [];

    private static Violation NoSpan(string path, string text) => new(path, $"'{text}' is no duration that can be waited for", "give numbers with units, such as 90m, 6h or 1d12h, up to 100 years");
}
