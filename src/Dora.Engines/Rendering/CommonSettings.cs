using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Rendering;

/// <summary>Storage of each member.</summary>
[Cel("!has(oldSelf.size) || (has(self.size) && (self.size.endsWith('Ti') ? 1048576 : self.size.endsWith('Gi') ? 1024 : 1) * int(self.size.substring(0, self.size.size() - 2)) >= (oldSelf.size.endsWith('Ti') ? 1048576 : oldSelf.size.endsWith('Gi') ? 1024 : 1) * int(oldSelf.size.substring(0, oldSelf.size.size() - 2)))", "storage.size cannot shrink: volumes only grow; create a new stack with smaller volumes and restore into it", Reason = "FieldValueInvalid")]
public sealed record StorageSettings(
    [property: Description("Size of each member's volume, in whole Mi, Gi or Ti; can grow, never shrink. Default by tier."), Pattern(StorageSettings.SizePattern), MaxLength(12)]
    string? Size = null,
    [property: Description("StorageClass; the cluster's default when absent. Cannot be changed."), MaxLength(253)]
    string? Class = null)
{
    /// <summary>What a size looks like.</summary>
    public const string SizePattern = "^[1-9][0-9]{0,6}(Mi|Gi|Ti)$";

    /// <summary>The class stays. Stated by the engine, because a rule here is not asked when all of <c>storage</c> comes or goes.</summary>
    public const string ClassRule = "(has(self.storage) && has(self.storage.class) ? self.storage.class : '') == (has(oldSelf.storage) && has(oldSelf.storage.class) ? oldSelf.storage.class : '')";

    /// <summary>What is said when it does not.</summary>
    public const string ClassMessage = "storage.class cannot be changed: a volume does not move between classes; create a new stack and restore into it";
}

/// <summary>Processor and memory of each member.</summary>
public sealed record ResourceSettings(
    [property: Description("CPU request, e.g. 500m or 2. Default by tier."), Pattern(ResourceSettings.CpuPattern), MaxLength(12)]
    string? Cpu = null,
    [property: Description("Memory request and limit, in whole Mi or Gi. Default by tier."), Pattern(ResourceSettings.MemoryPattern), MaxLength(12)]
    string? Memory = null)
{
    /// <summary>What CPU looks like.</summary>
    public const string CpuPattern = "^([1-9][0-9]{0,4}m|[1-9][0-9]{0,2})$";

    /// <summary>What memory looks like.</summary>
    public const string MemoryPattern = "^[1-9][0-9]{0,6}(Mi|Gi)$";

    /// <summary>These settings, completed by a tier's defaults.</summary>
    public static ResourceSettings Complete(ResourceSettings? given, string cpu, string memory) => new(given?.Cpu ?? cpu, given?.Memory ?? memory);
}
