using Dora.Api;
using Dora.Kubernetes.Model;

namespace Dora.Engines.Rendering;

/// <summary>Names and labels of everything that belongs to one engine of one stack.</summary>
public sealed record EngineNames(StackContext Stack, string Engine)
{
    /// <summary>Common prefix; also the StatefulSet and the Service of the primary.</summary>
    public string Cluster => $"{Stack.Name}-{Engine}";

    /// <summary>Headless Service that names each member.</summary>
    public string Members => $"{Cluster}-members";

    /// <summary>Service of the members that follow.</summary>
    public string Replicas => $"{Cluster}-replicas";

    /// <summary>Secret of the passwords that only the operator and the servers use.</summary>
    public string InternalSecret => $"{Cluster}-internal";

    /// <summary>Secret for applications.</summary>
    public string AppSecret => $"{Cluster}-app";

    /// <summary>Secret of the members' certificate: <c>tls.crt</c>, <c>tls.key</c> and, whom they trust, <c>ca.crt</c>.</summary>
    public string CertificateSecret => $"{Cluster}-tls";

    /// <summary>Whether servers speak TLS, and nothing else.</summary>
    public bool Encrypted => Stack.Tls is not null && Release.Encrypted;

    /// <summary>What the stack's version puts into pods.</summary>
    internal StackRelease Release => StackRelease.Of(Stack.StackVersion);

    /// <summary>Domain of a Service inside the cluster, without the cluster's own suffix.</summary>
    public string Domain(string service) => $"{service}.{Stack.Namespace}.svc";

    /// <summary>DNS name of a member.</summary>
    public string MemberHost(int ordinal) => $"{Cluster}-{ordinal}.{Domain(Members)}";

    /// <summary>Pod name of a member.</summary>
    public string Pod(int ordinal) => $"{Cluster}-{ordinal}";

    /// <summary>Labels that select the engine's pods.</summary>
    public IReadOnlyDictionary<string, string> Selector => new Dictionary<string, string>
    {
        [Labels.Stack] = Stack.Name,
        [Labels.Engine] = Engine,
    };

    /// <summary>Labels of every object.</summary>
    public IReadOnlyDictionary<string, string> ObjectLabels => new Dictionary<string, string>(Selector)
    {
        [Labels.Name] = Engine,
        [Labels.ManagedBy] = Labels.ManagedByValue,
    };

    /// <summary>The selector narrowed to a role.</summary>
    public IReadOnlyDictionary<string, string> RoleSelector(string role) => new Dictionary<string, string>(Selector) { [Labels.Role] = role };

    /// <summary>Metadata of an object that goes with the stack.</summary>
    public ObjectMeta Meta(string name) => new(
        Name: name,
        Namespace: Stack.Namespace,
        Labels: ObjectLabels,
        OwnerReferences: Stack.Uid.Length == 0 ? null : [Ownership.Of(Stack)]);
}

/// <summary>The owner reference of a stack's objects.</summary>
public static class Ownership
{
    /// <summary>The stack as controlling owner.</summary>
    public static OwnerReference Of(StackContext stack)
    {
        ArgumentNullException.ThrowIfNull(stack);
        return new(StackResource.ApiVersion, StackResource.Kind, stack.Name, stack.Uid, Controller: true, BlockOwnerDeletion: true);
    }
}
