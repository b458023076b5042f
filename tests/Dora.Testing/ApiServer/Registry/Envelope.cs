using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Dora.Kubernetes.Model;
using Dora.Testing.ApiServer.Http;
using Dora.Testing.ApiServer.Schemas;
using Dora.Testing.ApiServer.Storage;

namespace Dora.Testing.ApiServer.Registry;

/// <summary>What every object has around its content: apiVersion, kind, and metadata. The refusals are those of kube-apiserver.</summary>
internal static partial class Envelope
{
    private const string SubdomainRule =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

    private static readonly string[] SetByTheServer = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink", "resourceVersion"];

    public static JsonObject MetadataOf(JsonObject body)
    {
        if (body["metadata"] is not JsonObject metadata)
            body["metadata"] = metadata = [];
        return metadata;
    }

    /// <summary>Checks apiVersion and kind; of a built-in kind they may be left out.</summary>
    public static void CheckType(ServedKind kind, JsonObject body)
    {
        var resource = kind.Resource;
        var (apiVersion, name) = ((string?)body["apiVersion"], (string?)body["kind"]);
        if (kind.IsCustom && (apiVersion is null || name is null))
            throw StatusError.BadRequest($"{resource.Kind} in version \"{resource.Version}\" cannot be handled as a {resource.Kind}: Object 'Kind' or 'apiVersion' is missing");
        if ((apiVersion ?? resource.ApiVersion) != resource.ApiVersion || (name ?? resource.Kind) != resource.Kind)
            throw StatusError.BadRequest($"{name} in version \"{apiVersion}\" cannot be handled as a {resource.Kind}: unknown conversion");
        body["apiVersion"] = resource.ApiVersion;
        body["kind"] = resource.Kind;
    }

    /// <summary>Checks and completes namespace and name; <paramref name="urlName"/> is null on create.</summary>
    public static void CheckIdentity(ServedKind kind, string? ns, string? urlName, JsonObject body)
    {
        var metadata = MetadataOf(body);
        if (kind.Resource.Namespaced && (string?)metadata["namespace"] is { } given && given != ns)
            throw StatusError.BadRequest("the namespace of the provided object does not match the namespace sent on the request");
        if (kind.Resource.Namespaced)
            metadata["namespace"] = ns;
        else
            metadata.Remove("namespace");
        if (urlName is null)
            return;
        if ((string?)metadata["name"] is { } name && name != urlName)
            throw StatusError.BadRequest($"the name of the object ({name}) does not match the name on the URL ({urlName})");
        metadata["name"] = urlName;
    }

    /// <summary>Gives a new object its name if it asked for one, and checks it.</summary>
    public static void NameNew(KubeResource resource, JsonObject body)
    {
        const string Alphabet = "bcdfghjklmnpqrstvwxz2456789";
        var metadata = MetadataOf(body);
        if ((string?)metadata["name"] is null && (string?)metadata["generateName"] is { } prefix)
            metadata["name"] = prefix + string.Concat(Enumerable.Range(0, 5).Select(_ => Alphabet[Random.Shared.Next(Alphabet.Length)]));
        var name = (string?)metadata["name"] ?? "";
        if (name.Length == 0)
            throw StatusError.Invalid(resource, "", Cause.Required("metadata.name", "name or generateName is required"));
        var mayBeAnything = resource.Group == "rbac.authorization.k8s.io";
        if (!mayBeAnything && (name.Length > 253 || !Subdomain().IsMatch(name)))
            throw StatusError.Invalid(resource, name, Cause.Invalid("metadata.name", name, SubdomainRule));
    }

    /// <summary>Puts back what only the server sets.</summary>
    public static void RestoreServerFields(JsonObject live, JsonObject body)
    {
        var (from, to) = (MetadataOf(live), MetadataOf(body));
        foreach (var field in SetByTheServer)
        {
            if (from[field] is { } value)
                to[field] = value.DeepClone();
            else
                to.Remove(field);
        }
    }

    /// <summary>Removes from a new object what only the server sets.</summary>
    public static void DropServerFields(JsonObject body)
    {
        foreach (var field in SetByTheServer)
            MetadataOf(body).Remove(field);
    }

    /// <summary>Optimistic locking: a stale resource version, or the uid of another object of that name.</summary>
    public static void CheckVersion(ServedKind kind, StoredObject live, JsonObject body, bool isReplace)
    {
        var metadata = MetadataOf(body);
        var (uid, version) = ((string?)metadata["uid"], (string?)metadata["resourceVersion"]);
        if (uid is { Length: > 0 } && uid != live.Uid)
        {
            throw isReplace
                ? StatusError.Conflict(kind.Resource, live.Name, $"StorageError: invalid object, Code: 4, Key: /registry/{kind.Resource.Plural}/{live.Key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {live.Uid}")
                : StatusError.Invalid(kind.Resource, live.Name, Cause.Invalid("metadata.uid", uid, "field is immutable"));
        }

        if (version is { Length: > 0 } && version != live.ResourceVersion.ToString(System.Globalization.CultureInfo.InvariantCulture))
            throw StatusError.Conflict(kind.Resource, live.Name);
        if (isReplace && version is null or "" && !kind.AllowsUnconditionalUpdate)
        {
            throw StatusError.InvalidWithResourceName(kind.Resource, live.Name,
                new Cause("FieldValueInvalid", "Invalid value: 0x0: must be specified for an update", "metadata.resourceVersion"));
        }
    }

    /// <summary>An object that is being deleted takes no new finalizers.</summary>
    public static IEnumerable<Cause> CheckFinalizers(StoredObject live, JsonObject body)
    {
        var added = (MetadataOf(body)["finalizers"] as JsonArray ?? []).Select(one => (string)one!).Except(live.Finalizers).ToList();
        if (live.IsDeleting && added.Count > 0)
        {
            yield return Cause.Forbidden("metadata.finalizers",
                $"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{string.Join(", ", added.Select(one => $"\"{one}\""))}}}");
        }
    }

    [GeneratedRegex(@"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Subdomain();
}
