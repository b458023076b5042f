using System.Text.RegularExpressions;

namespace Dora.Api;

/// <summary>What Kubernetes allows as the key and the value of a label, and as the name of an object.</summary>
public static partial class LabelForms
{
    /// <summary>A label's key: a name, perhaps with a DNS name and '/' before it.</summary>
    public const string KeyPattern = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";

    /// <summary>Longest key: 253 for the DNS name, '/', 63.</summary>
    public const int LongestKey = 317;

    /// <summary>A label's value; may be empty.</summary>
    public const string ValuePattern = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";

    /// <summary>Longest value.</summary>
    public const int LongestValue = 63;

    /// <summary>Name of an object: a DNS subdomain.</summary>
    public const string NamePattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";

    /// <summary>Longest name.</summary>
    public const int LongestName = 253;

    /// <summary>CEL: every key of a map is a label's key. A schema can bound values only.</summary>
    public const string KeysRule = "self.all(key, key.size() <= 317 && key.matches('" + KeyPattern + "'))";

    /// <summary>What is said when one is not.</summary>
    public const string KeysMessage = "a key must be a label's key, such as disktype or topology.kubernetes.io/zone";

    /// <summary>Whether a text is a label's key.</summary>
    public static bool IsKey(string? text) => text is { Length: <= LongestKey } && text.IndexOf('/', StringComparison.Ordinal) <= LongestName && Key().IsMatch(text);

    /// <summary>Whether a text is a label's value.</summary>
    public static bool IsValue(string? text) => text is { Length: <= LongestValue } && Value().IsMatch(text);

    /// <summary>Whether a text can name an object.</summary>
    public static bool IsName(string? text) => text is { Length: <= LongestName } && Name().IsMatch(text);

    [GeneratedRegex(KeyPattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Key();

    [GeneratedRegex(ValuePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Value();

    [GeneratedRegex(NamePattern, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, 10_000)]
    private static partial Regex Name();
}
