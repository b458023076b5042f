namespace Dora.Api;

/// <summary>Labels and annotations that the operator sets or reads.</summary>
public static class Labels
{
    /// <summary>Recommended label; value <see cref="ManagedByValue"/>.</summary>
    public const string ManagedBy = "app.kubernetes.io/managed-by";

    /// <summary>Who manages every object of a stack.</summary>
    public const string ManagedByValue = "dora-operator";

    /// <summary>Recommended label: the engine.</summary>
    public const string Name = "app.kubernetes.io/name";

    /// <summary>The operator's own pods carry it as <see cref="Name"/>.</summary>
    public const string OperatorName = "dora-operator";

    /// <summary>Recommended label of pods: version of the server.</summary>
    public const string Version = "app.kubernetes.io/version";

    /// <summary>The stack an object belongs to.</summary>
    public const string Stack = "dora-operator.io/stack";

    /// <summary>The engine an object belongs to.</summary>
    public const string Engine = "dora-operator.io/engine";

    /// <summary>Role of a pod: <see cref="PrimaryRole"/> or <see cref="ReplicaRole"/>.</summary>
    public const string Role = "dora-operator.io/role";

    /// <summary>The value that Patroni 3.0 writes and cannot be told otherwise; Redis' own word too.</summary>
    public const string PrimaryRole = "master";

    /// <summary>A member that follows.</summary>
    public const string ReplicaRole = "replica";

    /// <summary>Set by the StatefulSet controller: name of the pod template that a pod was made from.</summary>
    public const string Revision = "controller-revision-hash";

    /// <summary>Annotation: hash of the desired object, for zero writes when converged.</summary>
    public const string AppliedHash = "dora-operator.io/applied";

    /// <summary>Pod annotation: hash of the configuration that needs a restart when it changes.</summary>
    public const string ConfigHash = "dora-operator.io/config";

    /// <summary>Annotation of a stack: any new value makes a new certificate authority take the place of the old one.</summary>
    public const string RotateAuthority = "dora-operator.io/rotate-ca";

    /// <summary>Annotation of a stack: any new value asks for other certificates of the same authority. On a certificate's Secret: the value it answers.</summary>
    public const string RenewCertificates = "dora-operator.io/renew-certificates";

    /// <summary>
    /// Annotation of a stack: names of engines, with commas between them, whose members may restart all at once where they cannot change one by one.
    /// </summary>
    public const string RestartTogether = "dora-operator.io/restart-together";

    /// <summary>Annotation of a stack: any new value has the network tried again.</summary>
    public const string ProbeNetwork = "dora-operator.io/probe-network";

    /// <summary>Annotation of a stack: any new value has the bucket looked through for backups. On a Job: the value it answers.</summary>
    public const string FindBackups = "dora-operator.io/find-backups";

    /// <summary>Annotation of a Job that tries the network: digest of the NetworkPolicies that were in place.</summary>
    public const string NetworkPolicies = "dora-operator.io/network-policies";

    /// <summary>Annotation of a StatefulSet: its pods speak TLS only.</summary>
    public const string Encrypted = "dora-operator.io/encrypted";

    /// <summary>Annotation of a stack: any new value makes new passwords take the place of the old ones.</summary>
    public const string RotateCredentials = "dora-operator.io/rotate-credentials";

    /// <summary>Annotation of an authority's Secret and of those it issued: which authority of the stack, counted from 1.</summary>
    public const string AuthorityGeneration = "dora-operator.io/ca-generation";

    /// <summary>Annotation of a certificate's Secret: when its certificate or its roots last changed (RFC 3339).</summary>
    public const string CertificateWritten = "dora-operator.io/certificate-written";

    /// <summary>Of backups and drills that a schedule made: its name.</summary>
    public const string Schedule = "dora-operator.io/schedule";

    /// <summary>Selects everything that the operator manages.</summary>
    public const string ManagedSelector = ManagedBy + "=" + ManagedByValue;
}
