using System.Text.Json.Nodes;
using Dora.Api;
using Dora.Kubernetes.Model;
using Dora.Operator.Stacks;

namespace Dora.Operator.Access;

/// <summary>The policy by which the API server itself refuses to delete protected stacks, whoever asks.</summary>
internal static class DeletionProtectionPolicy
{
    /// <summary>CEL: whether the stack may go.</summary>
    public const string Expression = "!(has(oldObject.spec.deletionProtection) && oldObject.spec.deletionProtection)";

    /// <summary>CEL: what is said when it may not.</summary>
    public const string MessageExpression =
        "'spec.deletionProtection of stack ' + oldObject.metadata.name + ' is true; to delete it, first run: kubectl -n ' + oldObject.metadata.namespace + ' patch compliancestack ' + oldObject.metadata.name + ' --type merge -p \\'{\"spec\":{\"deletionProtection\":false}}\\''";

    /// <summary>The ValidatingAdmissionPolicy.</summary>
    public static JsonObject Policy() => Object(KubeTypes.ValidatingAdmissionPolicies.Resource, new()
    {
        ["failurePolicy"] = "Fail",
        ["matchConstraints"] = new JsonObject
        {
            ["resourceRules"] = new JsonArray(new JsonObject
            {
                ["apiGroups"] = new JsonArray(StackResource.Group),
                ["apiVersions"] = new JsonArray("*"),
                ["operations"] = new JsonArray("DELETE"),
                ["resources"] = new JsonArray(StackResource.Type.Resource.Plural),
            }),
        },
        ["validations"] = new JsonArray(new JsonObject
        {
            ["expression"] = Expression,
            ["message"] = "spec.deletionProtection is true; set it to false to delete this stack",
            ["messageExpression"] = MessageExpression,
            ["reason"] = "Forbidden",
        }),
    });

    /// <summary>Puts the policy in force everywhere.</summary>
    public static JsonObject Binding() => Object(KubeTypes.ValidatingAdmissionPolicyBindings.Resource, new()
    {
        ["policyName"] = DeletionGuard.PolicyName,
        ["validationActions"] = new JsonArray("Deny"),
    });

    private static JsonObject Object(KubeResource resource, JsonObject spec) => new()
    {
        ["apiVersion"] = resource.ApiVersion,
        ["kind"] = resource.Kind,
        ["metadata"] = new JsonObject { ["name"] = DeletionGuard.PolicyName },
        ["spec"] = spec,
    };
}
