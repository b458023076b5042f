using System.Collections.Concurrent;
using Dora.Api;
using Dora.Engines;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Operator.Certificates;
using Dora.Operator.Credentials;
using Dora.Operator.Credentials.Database;
using Dora.Operator.Credentials.Rotation;
using Dora.Operator.Network;
using Dora.Operator.Transport;

namespace Dora.Operator.Stacks;

/// <summary>Gathers what is known of a stack: from the caches, and its credentials by name.</summary>
public sealed class StackObserver(
    ClusterView view,
    Backups.RunView runs,
    CredentialStore credentials,
    VaultCredentials vault,
    VaultSignatures signatures,
    DatabaseLoginSource databases,
    CertManagerView certManager,
    ClientView clients,
    MeshView mesh,
    WriteJournal journal,
    HealthStore health,
    TransportStore transport,
    DeletionGuard guard,
    ImageSource images,
    ClusterCapabilities capabilities,
    TimeProvider clock)
{
    /// <summary>The observation, or null when the stack is gone.</summary>
    public async Task<StackObservation?> LoadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (view.Find(key) is not { } cached)
        {
            vault.Forget(key);
            clients.Forget(key);
            signatures.Forget(key);
            databases.Forget(key);
            return null;
        }

        var stack = journal.Newest(key, cached);
        var live = new Dictionary<ObjectId, LiveObject>();
        var unreadable = new Dictionary<KubeResource, string>();
        foreach (var kind in view.Kinds.Where(kind => kind.Covers(key.Namespace)))
        {
            if (!kind.Synced)
                unreadable[kind.Resource] = kind.Error?.Message ?? "not listed yet";
            foreach (var value in kind.Of(key.Namespace, key.Name))
                live[new(kind.Resource, value.Meta.Name!)] = value;
        }

        // Volumes without a status: a stack created again over data that its old passwords open.
        var isNew = stack.Status is null && unreadable.Count == 0 && !live.Values.Any(value => value.Object is PersistentVolumeClaim);
        var names = Secrets(stack);
        var wanted = await vault.ReadAsync(stack, names.Passwords, cancellationToken).ConfigureAwait(false);
        // What is created by Vault's word must be known to be missing: else another password would be written there.
        var secrets = await credentials.ReadAsync(stack, [.. names.Passwords.Select(place => place.Request.SecretName), .. names.Certificates, .. names.Authority, .. names.Logins], isNew && wanted.Count == 0, cancellationToken).ConfigureAwait(false);
        if (RotationPlan.Asked(stack) || names.Passwords.Any(place => VaultRules.Differs(place.Request, secrets[place.Request.SecretName], wanted.GetValueOrDefault(place.Request.SecretName))))
            secrets = secrets.Concat(await credentials.ReadAsync(stack, Records(stack), isNew && wanted.Count == 0, cancellationToken).ConfigureAwait(false)).ToDictionary(StringComparer.Ordinal);
        var others = Foreign(stack, names.Certificates, secrets);
        var served = others.Count > 0 && await certManager.ReadAsync(stack, others, live, unreadable, cancellationToken).ConfigureAwait(false);
        var meshServed = await mesh.ReadAsync(stack, live, unreadable, cancellationToken).ConfigureAwait(false);

        var pending = new Dictionary<ObjectId, string>();
        foreach (var id in journal.Open(key))
        {
            if (journal.Pending(key, id, live.GetValueOrDefault(id)?.Meta.ResourceVersion) is { } hash)
                pending[id] = hash;
        }

        List<Pod> pods = [.. live.Values.Select(value => value.Object).OfType<Pod>()];
        foreach (var pod in pods)
            live.Remove(new(KubeTypes.Pods.Resource, pod.Metadata.Name!));
        return new(stack, live, pods, health.Of(key), secrets, pending, unreadable, images, capabilities)
        {
            Ports = transport.Of(key),
            Now = clock.GetUtcNow(),
            CertManager = served,
            Mesh = meshServed,
            IdleClients = await clients.ReadAsync(cached, cancellationToken).ConfigureAwait(false),
            Refusals = journal.Refusals(key),
            Backups = runs.Backups(key),
            Restores = runs.Restores(key),
            Vault = wanted,
            Signed = signatures.Of(stack, secrets),
            Logins = databases.Of(stack, secrets),
            Protection = stack.Spec.DeletionProtection ? await guard.ReadAsync(cancellationToken).ConfigureAwait(false) : default,
        };
    }

    /// <summary>What is left of a stack that is gone; empty while it is there.</summary>
    public IReadOnlyCollection<LiveObject> Left(ObjectKey key) => view.Find(key) is not null
        ? []
        : [.. view.Kinds.Where(kind => kind.Covers(key.Namespace)).SelectMany(kind => kind.Of(key.Namespace, key.Name))];

    // Names of Certificates that cert-manager has or shall have; also of an engine or an issuer that was given up, so that they go.
    private static List<string> Foreign(ComplianceStack stack, IReadOnlyList<string> wanted, IReadOnlyDictionary<string, SecretReading> secrets) => stack.Spec.Tls?.Issuer == TlsIssuer.CertManager
        ? [.. wanted.Union((stack.Status?.Certificates ?? []).Select(certificate => certificate.SecretName), StringComparer.Ordinal)]
        : [.. wanted.Where(name => secrets[name] is SecretReading.Found found && CertificateSecrets.IsOfCertManager(found))];

    // What is kept of the change of passwords.
    private static List<string> Records(ComplianceStack stack) =>
        [.. EngineCatalogue.All.Where(engine => stack.Spec.Engines.ContainsKey(engine.Name)).Select(engine => RotationRecord.SecretName(stack.Metadata.Name!, engine.Name))];

    private (IReadOnlyList<VaultPlace> Passwords, IReadOnlyList<string> Certificates, IReadOnlyList<string> Authority, IReadOnlyList<string> Logins) Secrets(ComplianceStack stack)
    {
        var context = StackPlanner.Context(stack, images, capabilities);
        var (passwords, certificates, logins) = (new List<VaultPlace>(), new List<string>(), new List<string>());
        foreach (var engine in EngineCatalogue.All)
        {
            if (!stack.Spec.Engines.TryGetValue(engine.Name, out var settings))
                continue;
            try
            {
                var cluster = engine.Bind(context, settings);
                passwords.AddRange(cluster.Credentials().Select(request => new VaultPlace(engine.Name, request)));
                logins.AddRange(cluster.VaultLogins.Select(login => login.Secret.SecretName));
                certificates.AddRange(cluster.Certificates.Select(request => request.SecretName));
            }
            catch (System.Text.Json.JsonException)
            {
                // The planner reports it, with its path.
            }
        }

        // Servers of several engines may share one.
        certificates = [.. certificates.Distinct(StringComparer.Ordinal)];
        return (passwords, certificates, certificates.Count > 0 && context.Tls is not { Issuer: TlsIssuer.CertManager } ? [Authority.SecretName(context.Name)] : [], logins);
    }
}

/// <summary>The last probe of every engine of every stack; lives in memory only.</summary>
public sealed class HealthStore
{
    private readonly ConcurrentDictionary<ObjectKey, IReadOnlyDictionary<string, EngineHealth>> _health = new();

    /// <summary>Findings by engine.</summary>
    public IReadOnlyDictionary<string, EngineHealth> Of(ObjectKey key) =>
        _health.TryGetValue(key, out var found) ? found : System.Collections.Frozen.FrozenDictionary<string, EngineHealth>.Empty;

    /// <summary>All findings.</summary>
    public IEnumerable<(ObjectKey Stack, string Engine, EngineHealth Health)> All =>
        _health.SelectMany(stack => stack.Value.Select(engine => (stack.Key, engine.Key, engine.Value)));

    /// <summary>Keeps the findings of a pass.</summary>
    public void Set(ObjectKey key, IReadOnlyDictionary<string, EngineHealth> findings) => _health[key] = findings;

    /// <summary>Forgets a stack that is gone.</summary>
    public void Forget(ObjectKey key) => _health.TryRemove(key, out _);
}
