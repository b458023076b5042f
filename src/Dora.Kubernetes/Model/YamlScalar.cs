using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Dora.Kubernetes.Model;

/// <summary>
/// What a plain YAML scalar means. Kubernetes reads YAML with go-yaml v2: YAML 1.2's core scalars, and of YAML 1.1 the booleans
/// (<c>on</c>, <c>yes</c>, <c>y</c>), octal <c>0644</c> and underscores in numbers. Timestamps stay strings.
/// </summary>
internal static partial class YamlScalar
{
    /// <summary>The JSON value of a plain scalar; null for null. Infinity and NaN come back as doubles.</summary>
    public static JsonNode? Resolve(string text) => text switch
    {
        "" or "~" or "null" or "Null" or "NULL" => null,
        "true" or "True" or "TRUE" or "y" or "Y" or "yes" or "Yes" or "YES" or "on" or "On" or "ON" => JsonValue.Create(true),
        "false" or "False" or "FALSE" or "n" or "N" or "no" or "No" or "NO" or "off" or "Off" or "OFF" => JsonValue.Create(false),
        ".nan" or ".NaN" or ".NAN" => JsonValue.Create(double.NaN),
        ".inf" or ".Inf" or ".INF" or "+.inf" or "+.Inf" or "+.INF" => JsonValue.Create(double.PositiveInfinity),
        "-.inf" or "-.Inf" or "-.INF" => JsonValue.Create(double.NegativeInfinity),
        _ => ResolveNumber(text) ?? JsonValue.Create(text),
    };

    /// <summary>The text as a plain scalar if every reader takes it for this very string, else double-quoted.</summary>
    public static string Quote(string text)
    {
        if (IsPlain(text))
            return text;
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var rune in text.EnumerateRunes())
            AppendEscaped(quoted, rune);
        return quoted.Append('"').ToString();
    }

    /// <summary>Several lines without anything that a literal block would lose or misread.</summary>
    public static bool FitsLiteralBlock(string text) =>
        text.Contains('\n')
        && text[0] is not ('\n' or ' ' or '\t')
        && text.All(c => c == '\n' || c == '\t' || IsPrintable(c))
        && text.Split('\n').All(line => line.Length == 0 || !string.IsNullOrWhiteSpace(line));

    private static bool IsPlain(string text) =>
        text.Length > 0
        && text.All(IsPrintable)
        && text[0] != ' ' && text[^1] is not (' ' or ':')
        && !LeadingIndicator().IsMatch(text)
        && !text.Contains(": ", StringComparison.Ordinal)
        && !text.Contains(" #", StringComparison.Ordinal)
        && !text.Contains(" *", StringComparison.Ordinal) // legal, but YamlDotNet takes "a *:" for no key
        && !LooksLikeSomethingElse().IsMatch(text)
        && Resolve(text) is JsonValue value && value.GetValueKind() == System.Text.Json.JsonValueKind.String;

    private static void AppendEscaped(StringBuilder quoted, Rune rune)
    {
        switch (rune.Value)
        {
            case '"' or '\\':
                quoted.Append('\\').Append(rune.ToString());
                break;
            case '\n':
                quoted.Append("\\n");
                break;
            case '\t':
                quoted.Append("\\t");
                break;
            case '\r':
                quoted.Append("\\r");
                break;
            case < 0x10000 when !IsPrintable((char)rune.Value):
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{rune.Value:x4}");
                break;
            default:
                quoted.Append(rune.ToString());
                break;
        }
    }

    // YAML's printable set without line breaks; surrogates are halves of printable characters.
    private static bool IsPrintable(char c) =>
        c is >= ' ' and <= '~' or >= '\u00a0' and <= '\ufffd' and not ('\u2028' or '\u2029' or '\ufeff');

    private static JsonValue? ResolveNumber(string text)
    {
        if (text[0] is not ((>= '0' and <= '9') or '+' or '-' or '.'))
            return null;
        var plain = text.Replace("_", "", StringComparison.Ordinal);
        var negative = plain.StartsWith('-');
        var digits = negative || plain.StartsWith('+') ? plain[1..] : plain;
        if (Radix().Match(digits) is { Success: true } radix)
            return Integer(radix.Groups["digits"].Value, RadixOf(digits), negative);
        if (DecimalInteger().IsMatch(digits))
            return Integer(digits, 10, negative) ?? Float(plain);
        return DecimalFraction().IsMatch(digits) ? Float(plain) : null;
    }

    private static int RadixOf(string digits) => digits[1] switch { 'x' or 'X' => 16, 'b' or 'B' => 2, _ => 8 };

    private static JsonValue? Integer(string digits, int radix, bool negative)
    {
        var value = UInt128.Zero;
        foreach (var digit in digits)
        {
            value = (value * (UInt128)radix) + (UInt128)Convert.ToInt32(digit.ToString(), 16);
            if (value > ulong.MaxValue)
                return null;
        }

        if (value <= long.MaxValue)
            return JsonValue.Create(negative ? -(long)value : (long)value);
        if (negative)
            return value == (UInt128)long.MaxValue + 1 ? JsonValue.Create(long.MinValue) : null;
        return JsonValue.Create((ulong)value);
    }

    private static JsonValue Float(string text) => JsonValue.Create(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));

    [GeneratedRegex(@"^[-?:,\[\]{}#&*!|>'""%@`]", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LeadingIndicator();

    // Numbers with any punctuation, dates, sexagesimals: whatever begins like a number is quoted when it holds nothing but these.
    [GeneratedRegex(@"^[-+.]?[0-9][0-9eExXoO_.,:+TtZz -]*$|^(<<|=)$|^---|^\.\.\.", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex LooksLikeSomethingElse();

    [GeneratedRegex("^0(([xX](?<digits>[0-9a-fA-F]+))|([bB](?<digits>[01]+))|([oO]?(?<digits>[0-7]+)))$", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Radix();

    [GeneratedRegex("^[0-9]+$", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DecimalInteger();

    [GeneratedRegex(@"^(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex DecimalFraction();
}
