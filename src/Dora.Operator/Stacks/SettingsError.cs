using System.Text.Json;
using Dora.Api;

namespace Dora.Operator.Stacks;

/// <summary>A parser's error in words that say what to do.</summary>
public static class SettingsError
{
    /// <summary>The violation that an exception of the JSON parser stands for.</summary>
    public static Violation Explain(string root, JsonException exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        var path = exception.Path is { Length: > 1 } inner && inner[0] == '$' ? root + inner[1..] : root;
        return exception.Message.Contains("could not be mapped", StringComparison.Ordinal)
            ? new(path, "no such field", "see `kubectl explain compliancestack.spec`", "UnknownField")
            : new(path, "the value has the wrong form", "see `kubectl explain compliancestack.spec` for what is allowed");
    }
}
