using Dora.Api;
using Dora.Engines;
using Dora.Engines.Rendering;
using Dora.Kubernetes.Client;
using Dora.Operator.Credentials;
using Dora.Operator.Stacks;

namespace Dora.Operator.Certificates;

/// <summary>
/// Makes keys and certificates and writes them into Secrets, each write bound to the state it was decided on: what somebody else
/// changed meanwhile is read and judged again, never overwritten.
/// </summary>
public sealed class CertificateStore(KubeClient client, CredentialStore secrets, TimeProvider clock)
{
    private readonly SecretWriter _writer = new(client, secrets);

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
            ? _writer.CreateAsync(stack, CertificateSecrets.AuthorityMeta(context, step.SecretName, step.Owned), "Opaque", content, cancellationToken)
            : _writer.PatchAsync(stack, step.SecretName, step.ResourceVersion, null, content, cancellationToken);
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
                await _writer.PatchAsync(stack, name, step.ResourceVersion, Ownership.Of(context), CertificateSecrets.Trust(step, secret, Authority.Of(authority).Bundle, clock.GetUtcNow()), cancellationToken).ConfigureAwait(false);
            return;
        }

        var content = CertificateSecrets.Leaf(step, authority, clock);
        if (step.Change == CertificateChange.Create)
            await _writer.CreateAsync(stack, CertificateSecrets.LeafMeta(context, step), "kubernetes.io/tls", content, cancellationToken).ConfigureAwait(false);
        else
            await _writer.PatchAsync(stack, name, step.ResourceVersion, Ownership.Of(context), content, cancellationToken).ConfigureAwait(false);
    }

    private async Task<SecretReading.Found?> FoundAsync(ComplianceStack stack, string name, CancellationToken cancellationToken) =>
        (await secrets.ReadAsync(stack, [name], isNew: true, cancellationToken).ConfigureAwait(false))[name] as SecretReading.Found;
}
