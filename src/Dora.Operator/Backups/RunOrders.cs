using Dora.Api;
using Dora.Backup.Keeping;
using Dora.Backup.Keys;
using Dora.Backup.Runs;
using Dora.Backup.Store;

namespace Dora.Operator.Backups;

/// <summary>Orders of runs, from what a stack's spec says. Pure.</summary>
internal static class RunOrders
{
    /// <summary>The store of a stack's backups.</summary>
    public static StoreLocation Store(BackupDestination destination) => new(
        new(destination.Endpoint),
        destination.Bucket,
        destination.Prefix ?? "",
        destination.Region,
        destination.PathStyle,
        destination.StorageClass,
        destination.Lock is { } wanted ? new(wanted.Mode == BackupLockMode.Compliance, wanted.Days) : null);

    /// <summary>The order of one run.</summary>
    /// <param name="stack">Whose data; with <c>spec.backup</c>.</param>
    /// <param name="engine">Key under its spec.engines.</param>
    /// <param name="id">ID of the backup.</param>
    /// <param name="content">What form the data has.</param>
    public static RunOrder Of(ComplianceStack stack, string engine, string id, string content)
    {
        var backup = stack.Spec.Backup!;
        return new(
            Store(backup.Destination),
            id,
            new(stack.Metadata.Namespace ?? "default", stack.Metadata.Name!, stack.Metadata.Uid ?? "", engine, Version(stack, engine)),
            content,
            Keep: Rules(backup.Keep),
            TimeZone: backup.Keep?.TimeZone ?? "UTC",
            Transit: Transit(stack.Spec),
            Adopt: backup.Adopt);
    }

    /// <summary>The order of a run that works on a copy.</summary>
    public static RunOrder At(ComplianceStack stack, string engine, string id, string content, BackupCopy copy)
    {
        var keep = copy.Keep ?? stack.Spec.Backup!.Keep;
        return Of(stack, engine, id, content) with { Store = Store(copy.Destination), Keep = Rules(keep), TimeZone = keep?.TimeZone ?? "UTC" };
    }

    /// <summary>The stack's backups as seen from a copy: its place instead of the first, which nothing asks then. Null: there is no copy of that name.</summary>
    public static BackupSettings? From(BackupSettings? backup, string? copy) =>
        copy is null ? backup : backup?.Copies?.FirstOrDefault(one => one.Name == copy) is { } place ? backup with { Destination = place.Destination, Copies = null } : null;

    // The rules refuse a key of Vault without an address.
    private static TransitOrder? Transit(ComplianceStackSpec spec) =>
        spec.Backup!.Encryption.Vault is { } vault && (vault.Address ?? spec.Credentials?.Vault?.Address) is { } address
            ? new(new(address), vault.Key, vault.Role, vault.AuthMount, vault.Mount, vault.Namespace ?? spec.Credentials?.Vault?.Namespace)
            : null;

    /// <summary>Rules as the agent has them; null: everything stays.</summary>
    public static KeepRules? Rules(BackupKeep? keep) => keep is { Any: true } ? new(keep.Last, keep.Hourly, keep.Daily, keep.Weekly, keep.Monthly, keep.Yearly) : null;

    private static string Version(ComplianceStack stack, string engine) => stack.Status?.Engines?.FirstOrDefault(status => status.Name == engine)?.Version ?? "";
}
