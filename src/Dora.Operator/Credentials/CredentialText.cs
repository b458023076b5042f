using System.Text;
using System.Text.Json;
using Dora.Engines;

namespace Dora.Operator.Credentials;

/// <summary>Texts in credential Secrets that are made of their other keys, such as an address with user and password.</summary>
internal static class CredentialText
{
    /// <summary>
    /// The text of a field. <c>{KEY}</c> is replaced where there is such a key, in one go: what a value holds is never replaced itself.
    /// </summary>
    public static string Fill(CredentialField field, IReadOnlyDictionary<string, string> values)
    {
        var text = field.Value!;
        var filled = new StringBuilder(text.Length);
        var at = 0;
        while (at < text.Length)
        {
            if (text[at] == '{' && text.IndexOf('}', at) is > 0 and var end && values.TryGetValue(text[(at + 1)..end], out var value))
            {
                filled.Append(Quote(value, field.Quoting));
                at = end + 1;
            }
            else
            {
                filled.Append(text[at++]);
            }
        }

        return filled.ToString();
    }

    private static string Quote(string value, CredentialQuoting quoting) => quoting switch
    {
        CredentialQuoting.Uri => Uri.EscapeDataString(value),
        CredentialQuoting.Json => JsonEncodedText.Encode(value).Value,
        CredentialQuoting.Doubled => value.Replace("\"", "\"\"", StringComparison.Ordinal),
        _ => value,
    };
}
