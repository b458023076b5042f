using System.Globalization;

namespace Dora.Engines.Postgres;

/// <summary>What the running server says of one parameter (PostgreSQL documentation, view pg_settings).</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">bool, string, integer, real or enum.</param>
/// <param name="Unit">Unit of a number without one, e.g. 8kB or ms; null for none.</param>
/// <param name="Least">Least number, in that unit.</param>
/// <param name="Most">Greatest number, in that unit.</param>
/// <param name="Choices">Values of an enum.</param>
/// <param name="Context">When it can be set; <c>internal</c>: never; <c>postmaster</c>: at start.</param>
/// <param name="Setting">Its value now, in that unit.</param>
internal sealed record ParameterFacts(string Name, string Type, string? Unit, string? Least, string? Most, IReadOnlyList<string>? Choices, string Context, string? Setting = null)
{
    private static readonly string[] _booleans = ["on", "off", "true", "false", "yes", "no", "1", "0"];

    private static readonly Dictionary<string, double> _bytes = new(StringComparer.Ordinal)
    {
        ["B"] = 1,
        ["kB"] = 1L << 10,
        ["8kB"] = 8L << 10,
        ["16kB"] = 16L << 10,
        ["32kB"] = 32L << 10,
        ["MB"] = 1L << 20,
        ["16MB"] = 16L << 20,
        ["GB"] = 1L << 30,
        ["TB"] = 1L << 40,
    };

    private static readonly Dictionary<string, double> _seconds = new(StringComparer.Ordinal)
    {
        ["us"] = 1e-6,
        ["ms"] = 1e-3,
        ["s"] = 1,
        ["min"] = 60,
        ["h"] = 3600,
        ["d"] = 86400,
    };

    /// <summary>
    /// Why the server would not take a wanted value; null when it takes all. A bad value in its files would do nothing now, and keep
    /// it from starting next time, so nothing is sent before all is right.
    /// </summary>
    public static string? Problem(IReadOnlyDictionary<string, string> wanted, IReadOnlyList<ParameterFacts> facts, string version)
    {
        foreach (var (name, value) in wanted.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            // Parameters of an extension are unknown until its library is loaded, and kept for it.
            if (facts.FirstOrDefault(fact => fact.Name == name) is { } fact)
            {
                if (fact.Problem(value) is { } problem)
                    return $"parameter '{name}' is not applied: {problem}";
            }
            else if (!name.Contains('.', StringComparison.Ordinal))
            {
                return $"parameter '{name}' is not applied: PostgreSQL {version} has no such parameter";
            }
        }

        return null;
    }

    /// <summary>A size in bytes, or null when it is none.</summary>
    public static double? Bytes(string value, string? unit) => Number(value, unit, _bytes);

    private string? Problem(string value) => this switch
    {
        { Context: "internal" } => "it cannot be set",
        { Type: "bool" } => _booleans.Contains(value, StringComparer.OrdinalIgnoreCase) ? null : $"'{value}' is neither on nor off",
        { Type: "enum" } => Choices is null || Choices.Contains(value, StringComparer.OrdinalIgnoreCase) ? null : $"'{value}' is none of {string.Join(", ", Choices)}",
        { Type: "integer" or "real" } => NumberProblem(value),
        _ => null,
    };

    private string? NumberProblem(string value)
    {
        var units = Unit is null ? null : _bytes.ContainsKey(Unit) ? _bytes : _seconds;
        if (Number(value, Unit, units) is not { } number || (Unit is not null && !units!.ContainsKey(Unit)))
            return Unit is null ? $"'{value}' is not a number" : $"'{value}' is not a number with a unit such as {(units == _bytes ? "kB, MB or GB" : "ms, s or min")}";
        return number < Limit(Least, units) || number > Limit(Most, units) ? $"'{value}' is not between {Least} and {Most}{(Unit is null ? "" : $" ({Unit})")}" : null;
    }

    private double? Limit(string? limit, Dictionary<string, double>? units) =>
        double.TryParse(limit, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number * (units?[Unit!] ?? 1) : null;

    // -1 often means "off" or "by another parameter"; as PostgreSQL does, a number without a unit is in the parameter's own.
    private static double? Number(string value, string? unit, Dictionary<string, double>? units)
    {
        var end = value.AsSpan().LastIndexOfAnyInRange('0', '9') + 1;
        if (!double.TryParse(value.AsSpan(0, end), NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            return null;
        var given = value[end..].Trim();
        return given.Length == 0 ? number * (unit is not null && units is not null ? units.GetValueOrDefault(unit, 1) : 1)
            : units is not null && units.TryGetValue(given, out var factor) ? number * factor
            : null;
    }
}
