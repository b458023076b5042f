using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Testing;
using Dora.Testing.ApiServer.Contract;
using Xunit;

namespace Dora.Integration.Tests.Crds;

/// <summary>What today's API machinery makes of the generated CRDs and of stacks.</summary>
[Collection("crd-server")]
public sealed class StackValidationTests(CrdServer server)
{
    public static TheoryData<string> Files => [.. CrdServer.Files.Select(file => System.IO.Path.GetFileName(file))];

    public static TheoryData<string> Refused => [.. StackRows.All.Select(row => row.Title)];

    public static TheoryData<string> Allowed => [.. StackRows.Allowed.Select(row => row.Title)];

    public static TheoryData<string> Samples =>
        [.. Directory.GetFiles(System.IO.Path.Combine(GoldenFile.RepositoryRoot, "config", "samples"), "*.yaml").Select(file => System.IO.Path.GetFileName(file)).Where(file => file != "kustomization.yaml")];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task The_definition_is_accepted_without_warnings(string file)
    {
        var answer = server.Installed[file].Must(server.Installed[file].Code == 200 ? 200 : 201);
        Assert.False(answer.Headers.TryGetValues("Warning", out var warnings), string.Join('\n', warnings ?? []));
        var conditions = await server.ConditionsAsync((string)answer["metadata"]!["name"]!);
        Assert.Equal("True", (string?)conditions["Established"]["status"]);
        Assert.DoesNotContain("NonStructuralSchema", conditions.Keys);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task A_sample_is_accepted(string file)
    {
        foreach (var sample in KubeYaml.ReadAll(await File.ReadAllTextAsync(System.IO.Path.Combine(GoldenFile.RepositoryRoot, "config", "samples", file), RawClient.Token)))
        {
            if ((string?)sample!["kind"] != "ComplianceStack")
                continue;
            var answer = await server.Api.Post(Stacks((string)sample["metadata"]!["namespace"]!, "&dryRun=All"), sample);
            Assert.False(answer.Must(201).Headers.Contains("Warning"), answer.Text);
        }
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task Bad_input_is_refused_with_its_message(string title)
    {
        var row = StackRows.All.Single(row => row.Title == title);
        var answer = row.Before is null
            ? await SendAsync(HttpMethod.Post, Path(row.Kind, "default", "&dryRun=All"), row.Name, row.Spec, kind: row.Kind)
            : await UpdateAsync(row.Name, row.Before, row.Spec, row.Kind);
        answer.Must(row.Code);
        if (row.Field.Length == 0)
            Assert.Contains(row.Message, answer.Message, StringComparison.Ordinal);
        else
            Assert.Contains(answer.Body["details"]!["causes"]!.AsArray(), cause => (string?)cause!["field"] == row.Field && ((string)cause["message"]!).Contains(row.Message, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Allowed))]
    public async Task A_change_that_loses_nothing_is_accepted(string title)
    {
        var (_, before, after) = StackRows.Allowed.Single(row => row.Title == title);
        (await UpdateAsync("payments", before, after)).Must(200);
    }

    [Fact]
    public async Task A_name_of_40_characters_is_accepted() =>
        (await SendAsync(HttpMethod.Post, Stacks("default", "&dryRun=All"), new string('a', 40), "{tier: Development, engines: {redis: {}}}")).Must(201);

    [Fact]
    public void Every_rule_of_the_schema_has_a_row()
    {
        var rules = CrdServer.Files.Select(CrdServer.Read)
            .SelectMany(definition => definition["spec"]!["versions"]!.AsArray().SelectMany(version => SchemaRule.Of(version!["schema"]!["openAPIV3Schema"]!)).Select(rule => (Kind: (string)definition["spec"]!["names"]!["kind"]!, rule.Field, rule.Message))).ToList();
        Assert.NotEmpty(rules);
        var without = rules.Where(rule => !StackRows.All.Any(row => rule.Kind == row.Kind && rule.Field == row.Field.Replace("[0]", "[*]", StringComparison.Ordinal) && row.Message == rule.Message)).ToList();
        Assert.True(without.Count == 0, $"no row of {nameof(StackRows)} for\n{string.Join('\n', without)}");
    }

    // Updates need a stack that is really there; each has a name space of its own, so that rows do not meet.
    private async Task<ApiAnswer> UpdateAsync(string name, string before, string after, string kind = "ComplianceStack")
    {
        var ns = $"ns-{Guid.NewGuid():N}";
        var old = (await SendAsync(HttpMethod.Post, Path(kind, ns), name, before, kind: kind)).Must(201);
        return await SendAsync(HttpMethod.Put, Path(kind, ns, name: name), name, after, old.Version, kind);
    }

    // As YAML, so that a field given twice reaches the server.
    private Task<ApiAnswer> SendAsync(HttpMethod method, string path, string name, string spec, string version = "", string kind = "ComplianceStack") => server.Api.Send(
        method,
        path,
        $$"""{apiVersion: dora-operator.io/v1alpha1, kind: {{kind}}, metadata: {name: {{name}}, resourceVersion: '{{version}}'}, spec: {{spec}}}""",
        "application/yaml");

    private static string Stacks(string ns, string query = "", string name = "") => Path("ComplianceStack", ns, query, name);

    private static string Path(string kind, string ns, string query = "", string name = "") =>
        $"/apis/dora-operator.io/v1alpha1/namespaces/{ns}/{kind.ToLowerInvariant()}s/{name}".TrimEnd('/') + $"?fieldValidation=Strict{query}";
}

/// <summary>A CEL rule and where its refusal points at.</summary>
internal sealed record SchemaRule(string Field, string Message)
{
    /// <summary>Every rule of a schema that some input can break.</summary>
    public static IEnumerable<SchemaRule> Of(JsonNode schema, string path = "")
    {
        foreach (var rule in schema["x-kubernetes-validations"] as JsonArray ?? [])
        {
            // A field of one possible value cannot change.
            if ((string?)rule!["rule"] == "self == oldSelf" && schema["enum"] is JsonArray { Count: 1 })
                continue;
            var field = path + (string?)rule["fieldPath"];
            yield return new(field.Length == 0 ? "<nil>" : field.TrimStart('.'), (string)rule["message"]!);
        }

        var children = (schema["properties"] as JsonObject ?? []).Select(property => (Path: $"{path}.{property.Key}", Schema: property.Value!))
            .Concat(schema["items"] is { } items ? [($"{path}[*]", items)] : [])
            .Concat(schema["additionalProperties"] is JsonObject values ? [($"{path}[*]", values)] : []);
        foreach (var rule in children.SelectMany(child => Of(child.Schema, child.Path)))
            yield return rule;
    }
}
