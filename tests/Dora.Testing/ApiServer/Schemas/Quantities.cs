using System.Globalization;
using System.Numerics;
using System.Text.RegularExpressions;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>resource.Quantity: the API server stores the canonical form, <c>1024Mi</c> becomes <c>1Gi</c>.</summary>
internal static partial class Quantities
{
    private static readonly string[] Decimal = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    private static readonly string[] Binary = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

    /// <summary>The canonical form, or null when the text is no quantity.</summary>
    public static string? Canonical(string text)
    {
        if (Form().Match(text) is not { Success: true } match)
            return null;
        var suffix = match.Groups["suffix"].Value;
        var mantissa = match.Groups["number"].Value;
        var negative = mantissa.StartsWith('-');
        var digits = mantissa.TrimStart('+', '-');
        var point = digits.IndexOf('.', StringComparison.Ordinal);
        var fraction = point < 0 ? 0 : digits.Length - point - 1;
        var nanos = BigInteger.Parse(digits.Replace(".", "", StringComparison.Ordinal), CultureInfo.InvariantCulture) * BigInteger.Pow(10, 9);

        var isBinary = Array.IndexOf(Binary, suffix) > 0;
        if (isBinary)
            nanos *= BigInteger.Pow(1024, Array.IndexOf(Binary, suffix));
        else
            nanos = Scale(nanos, match.Groups["exponent"].Success
                ? int.Parse(match.Groups["exponent"].Value, CultureInfo.InvariantCulture)
                : (Array.IndexOf(Decimal, suffix) - 3) * 3);
        nanos = Scale(nanos, -fraction);
        var sign = negative && !nanos.IsZero ? "-" : "";
        return sign + (isBinary && nanos % BigInteger.Pow(10, 9) == 0 && nanos >= 1024 * BigInteger.Pow(10, 9) ? InBinary(nanos) : InDecimal(nanos, match.Groups["exponent"].Success));
    }

    // Smaller than a nano rounds up, as the server does.
    private static BigInteger Scale(BigInteger value, int power) => power >= 0
        ? value * BigInteger.Pow(10, power)
        : BigInteger.DivRem(value, BigInteger.Pow(10, -power), out var rest) + (rest.IsZero ? 0 : 1);

    private static string InBinary(BigInteger nanos)
    {
        var value = nanos / BigInteger.Pow(10, 9);
        var unit = 0;
        while (unit < Binary.Length - 1 && !value.IsZero && value % 1024 == 0)
        {
            value /= 1024;
            unit++;
        }

        return value.ToString(CultureInfo.InvariantCulture) + Binary[unit];
    }

    // What was written with an exponent keeps that form.
    private static string InDecimal(BigInteger nanos, bool asExponent)
    {
        var unit = 0;
        while (unit < Decimal.Length - 1 && (nanos.IsZero ? unit < 3 : nanos % 1000 == 0))
        {
            nanos /= 1000;
            unit++;
        }

        var suffix = !asExponent ? Decimal[unit] : unit == 3 ? "" : $"e{(unit - 3) * 3}";
        return nanos.ToString(CultureInfo.InvariantCulture) + suffix;
    }

    [GeneratedRegex(@"^(?<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))((?<suffix>[KMGTPE]i|[numkMGTPE]?)|[eE](?<exponent>[+-]?[0-9]+))$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Form();
}
