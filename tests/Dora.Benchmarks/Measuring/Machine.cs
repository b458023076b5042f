using System.Globalization;

namespace Dora.Benchmarks.Measuring;

/// <summary>Where it was measured; a load above the number of cores makes every time unreliable.</summary>
internal sealed record Machine(int Cores, string Processor, double LoadAverage)
{
    public static Machine Read()
    {
        var model = File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal));
        var load = File.ReadAllText("/proc/loadavg").Split(' ')[0];
        return new(Environment.ProcessorCount, model?.Split(':', 2)[1].Trim() ?? "unknown", double.Parse(load, CultureInfo.InvariantCulture));
    }
}
