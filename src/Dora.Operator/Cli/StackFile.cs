using System.Text.Json;
using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Cli;

/// <summary>ComplianceStacks in a YAML file.</summary>
internal static class StackFile
{
    /// <summary>Every ComplianceStack of a file; other kinds are passed over.</summary>
    /// <exception cref="FormatException">A document is not YAML, or does not fit the API; names the field.</exception>
    public static IReadOnlyList<ComplianceStack> Read(string text)
    {
        var stacks = new List<ComplianceStack>();
        foreach (var document in KubeYaml.ReadAll(text))
        {
            if ((string?)document["kind"] != StackResource.Kind)
                continue;
            if ((string?)document["apiVersion"] != StackResource.ApiVersion)
                throw new FormatException($"apiVersion '{document["apiVersion"]}' is not served; write {StackResource.ApiVersion}");
            document["metadata"] ??= new System.Text.Json.Nodes.JsonObject();
            document["metadata"]!["namespace"] ??= "default";
            try
            {
                stacks.Add(document.Deserialize(ApiJson.Strict.ComplianceStack)!);
            }
            catch (JsonException exception)
            {
                throw new FormatException($"{exception.Path?.TrimStart('$', '.')}: {Stacks.SettingsError.Explain("", exception).Problem} ({exception.Message})", exception);
            }
        }

        return stacks;
    }
}
