using Dora.Engines.Rendering;

namespace Dora.Engines.Neo4j;

/// <summary>How a member's memory limit is divided (MiB).</summary>
/// <param name="Limit">Of the container.</param>
/// <param name="Heap">Of the Java virtual machine, initial and greatest.</param>
/// <param name="PageCache">For the stores.</param>
internal sealed record Neo4jMemory(long Limit, long Heap, long PageCache)
{
    /// <summary>Least limit: Neo4j's own requirement for a server (Operations Manual, "System requirements").</summary>
    public const long Least = 2048;

    /// <summary>What the operating system, the JVM beside its heap, and native buffers need at least (Operations Manual, "Memory configuration").</summary>
    public const long Reserve = 1024;

    // Up to here the JVM addresses objects with 4 bytes; a little more heap would hold less.
    private const long LargestCompressedHeap = 31 * 1024;

    /// <summary>What is left beside heap and page cache.</summary>
    public long Rest => Limit - Heap - PageCache;

    /// <summary>By rule: a reserve of 1 GiB or an eighth, 40 % of the rest as heap, what remains as page cache.</summary>
    public static Neo4jMemory Of(string limit, Neo4jMemorySettings? given)
    {
        var total = SettingsRules.Mebibytes(limit) ?? 0;
        var free = Math.Max(0, total - Math.Max(Reserve, total / 8));
        var heap = SettingsRules.Mebibytes(given?.Heap);
        var cache = SettingsRules.Mebibytes(given?.PageCache);
        var byRule = cache is { } fixedCache ? Math.Max(0, free - fixedCache) : free * 4 / 10;
        heap ??= Math.Min(byRule, LargestCompressedHeap);
        return new(total, heap.Value, cache ?? Math.Max(0, free - heap.Value));
    }
}
