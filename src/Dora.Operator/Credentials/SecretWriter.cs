using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;

namespace Dora.Operator.Credentials;

/// <summary>
/// What is written into a Secret: values by key, and annotations with nothing but public facts. Keys that are not named stay as they
/// are; null removes one.
/// </summary>
/// <param name="Fields">Values by key. Never logged.</param>
/// <param name="Annotations">Annotations.</param>
internal sealed record SecretContent(IReadOnlyDictionary<string, string?> Fields, IReadOnlyDictionary<string, string?> Annotations)
{
    /// <inheritdoc/>
    public override string ToString() => "SecretContent";
}

/// <summary>
/// Writes Secrets, each write bound to the state it was decided on: what somebody else changed meanwhile is read and judged again,
/// never overwritten.
/// </summary>
internal sealed class SecretWriter(KubeClient client, CredentialStore secrets)
{
    /// <summary>Makes a Secret.</summary>
    /// <exception cref="KubeAlreadyExistsException">It exists after all; the next pass reads it.</exception>
    public Task CreateAsync(ComplianceStack stack, ObjectMeta meta, string type, SecretContent content, CancellationToken cancellationToken)
    {
        var annotations = Given(content.Annotations);
        var secret = new Secret(
            annotations.Count == 0 ? meta : meta with { Annotations = annotations },
            Given(content.Fields).ToDictionary(field => field.Key, field => Base64(field.Value)),
            Type: type);
        return RememberAsync(stack, meta.Name!, client.CreateAsync(KubeTypes.Secrets, secret, cancellationToken));
    }

    /// <summary>Changes a Secret.</summary>
    /// <exception cref="KubeConflictException">It changed since it was read; the next pass reads it.</exception>
    /// <exception cref="KubeNotFoundException">It is gone; the next pass finds that out.</exception>
    public Task PatchAsync(ComplianceStack stack, string name, string? version, OwnerReference? owner, SecretContent content, CancellationToken cancellationToken)
    {
        var metadata = new JsonObject { ["resourceVersion"] = version, ["annotations"] = Node(content.Annotations, value => value) };
        if (owner is not null)
            metadata["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = owner.ApiVersion, ["kind"] = owner.Kind, ["name"] = owner.Name, ["uid"] = owner.Uid, ["controller"] = true, ["blockOwnerDeletion"] = true });
        var patch = KubePatch.Merge(new JsonObject { ["metadata"] = metadata, ["data"] = Node(content.Fields, Base64) });
        return RememberAsync(stack, name, client.PatchAsync(KubeTypes.Secrets, stack.Metadata.Namespace, name, patch, cancellationToken));
    }

    // Whatever the answer to a write is, what was read before is no longer true.
    private async Task RememberAsync(ComplianceStack stack, string name, Task<Secret> write)
    {
        try
        {
            secrets.Remember(stack, await write.ConfigureAwait(false));
        }
        catch
        {
            secrets.Forget(stack.Metadata.Namespace, name);
            throw;
        }
    }

    private static Dictionary<string, string> Given(IReadOnlyDictionary<string, string?> values) =>
        values.Where(pair => pair.Value is not null).ToDictionary(pair => pair.Key, pair => pair.Value!, StringComparer.Ordinal);

    private static JsonObject Node(IReadOnlyDictionary<string, string?> values, Func<string, string> encode) =>
        new(values.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)(pair.Value is null ? null : JsonValue.Create(encode(pair.Value))))));

    private static string Base64(string value) => Convert.ToBase64String(Encoding.UTF8.GetBytes(value));
}
