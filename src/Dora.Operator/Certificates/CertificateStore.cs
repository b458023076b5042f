using System.Text;
using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// Makes keys and certificates and writes them into Secrets, each write bound to the state it was decided on: what somebody else
/// changed meanwhile is read and judged again, never overwritten.
/// </summary>
public sealed class CertificateStore(KubeClient client, CredentialStore secrets, TimeProvider clock)
{
    /// <summary>Writes the Secret of an authority.</summary>
    /// <exception cref="KubeConflictException">It changed since it was read; the next pass reads it.</exception>
    /// <exception cref="KubeAlreadyExistsException">It exists after all; the next pass reads it.</exception>
    /// <exception cref="KubeNotFoundException">It is gone; the next pass finds that out.</exception>
    public Task WriteAsync(ComplianceStack stack, StackContext context, PlanStep.WriteAuthority step, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(step);
        var content = CertificateSecrets.Authority(context, step, clock.GetUtcNow());
        return step.Change == AuthorityChange.Create
            ? CreateAsync(stack, CertificateSecrets.AuthorityMeta(context, step.SecretName, step.Owned), "Opaque", content, cancellationToken)
            : PatchAsync(stack, context, step.SecretName, step.ResourceVersion, owned: false, content, cancellationToken);
    }

    /// <summary>Writes the Secret of a server's certificate. Nothing happens when the authority is not the one that was decided on.</summary>
    /// <exception cref="KubeConflictException">It changed since it was read; the next pass reads it.</exception>
    /// <exception cref="KubeAlreadyExistsException">It exists after all; the next pass reads it.</exception>
    /// <exception cref="KubeNotFoundException">It is gone; the next pass finds that out.</exception>
    public async Task WriteAsync(ComplianceStack stack, StackContext context, PlanStep.WriteCertificate step, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stack);
        ArgumentNullException.ThrowIfNull(context);
        ArgumentNullException.ThrowIfNull(step);
        if (await FoundAsync(stack, Authority.SecretName(context.Name), cancellationToken).ConfigureAwait(false) is not { } authority || Authority.GenerationOf(authority) != step.Generation)
            return;
        var name = step.Request.SecretName;
        if (step.Change == CertificateChange.Trust)
        {
            if (await FoundAsync(stack, name, cancellationToken).ConfigureAwait(false) is { } secret)
                await PatchAsync(stack, context, name, step.ResourceVersion, owned: true, CertificateSecrets.Trust(step, secret, Authority.Of(authority).Bundle, clock.GetUtcNow()), cancellationToken).ConfigureAwait(false);
            return;
        }

        var content = CertificateSecrets.Leaf(step, authority, clock);
        if (step.Change == CertificateChange.Create)
            await CreateAsync(stack, CertificateSecrets.LeafMeta(context, step), "kubernetes.io/tls", content, cancellationToken).ConfigureAwait(false);
        else
            await PatchAsync(stack, context, name, step.ResourceVersion, owned: true, content, cancellationToken).ConfigureAwait(false);
    }

    private async Task<SecretReading.Found?> FoundAsync(ComplianceStack stack, string name, CancellationToken cancellationToken) =>
        (await secrets.ReadAsync(stack, [name], isNew: true, cancellationToken).ConfigureAwait(false))[name] as SecretReading.Found;

    private Task CreateAsync(ComplianceStack stack, ObjectMeta meta, string type, SecretContent content, CancellationToken cancellationToken)
    {
        var secret = new Secret(
            meta with { Annotations = Given(content.Annotations) },
            Given(content.Fields).ToDictionary(field => field.Key, field => Base64(field.Value)),
            Type: type);
        return RememberAsync(stack, meta.Name!, client.CreateAsync(KubeTypes.Secrets, secret, cancellationToken));
    }

    private Task PatchAsync(ComplianceStack stack, StackContext context, string name, string? version, bool owned, SecretContent content, CancellationToken cancellationToken)
    {
        var metadata = new JsonObject { ["resourceVersion"] = version, ["annotations"] = Node(content.Annotations, value => value) };
        if (owned)
        {
            var owner = Ownership.Of(context);
            metadata["ownerReferences"] = new JsonArray(new JsonObject { ["apiVersion"] = owner.ApiVersion, ["kind"] = owner.Kind, ["name"] = owner.Name, ["uid"] = owner.Uid, ["controller"] = true, ["blockOwnerDeletion"] = true });
        }

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
