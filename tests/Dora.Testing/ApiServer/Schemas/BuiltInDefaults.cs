using System.Text;
using System.Text.Json.Nodes;

namespace Dora.Testing.ApiServer.Schemas;

/// <summary>The defaults that kube-apiserver sets on the built-in kinds, as far as this project writes their fields.</summary>
internal static class BuiltInDefaults
{
    public static void Set(string plural, JsonObject body)
    {
        switch (plural)
        {
            case "pods":
                SetPod(body);
                break;
            case "statefulsets":
                SetStatefulSet(Spec(body));
                break;
            case "deployments":
                SetDeployment(Spec(body));
                break;
            case "replicasets":
                Absent(Spec(body), "replicas", 1);
                SetTemplate(Spec(body));
                break;
            case "jobs":
                SetJob(Spec(body));
                break;
            case "services":
                SetService(Spec(body));
                break;
            case "persistentvolumeclaims":
                Absent(Spec(body), "volumeMode", "Filesystem");
                Absent(body, "status", Json("""{"phase":"Pending"}"""));
                break;
            case "secrets":
                FoldStringData(body);
                Absent(body, "type", "Opaque");
                break;
            case "networkpolicies":
                SetNetworkPolicy(Spec(body));
                break;
            case "rolebindings" or "clusterrolebindings":
                SetSubjects(body);
                break;
            case "namespaces":
                Absent(body, "spec", Json("""{"finalizers":["kubernetes"]}"""));
                Absent(body, "status", Json("""{"phase":"Active"}"""));
                break;
            case "storageclasses":
                Absent(body, "reclaimPolicy", "Delete");
                Absent(body, "volumeBindingMode", "Immediate");
                break;
        }
    }

    private static void SetPod(JsonObject body)
    {
        var spec = Spec(body);
        Absent(spec, "enableServiceLinks", true);
        Absent(body, "status", Json("""{"phase":"Pending","qosClass":"BestEffort"}"""));
        SetPodSpec(spec);
        foreach (var resources in Objects(spec["containers"]).Select(container => container["resources"]).OfType<JsonObject>())
        {
            foreach (var (name, limit) in resources["limits"] as JsonObject ?? [])
                Absent(Child(resources, "requests"), name, limit!.DeepClone());
        }
    }

    private static void SetStatefulSet(JsonObject spec)
    {
        Absent(spec, "replicas", 1);
        Absent(spec, "podManagementPolicy", "OrderedReady");
        Absent(Child(spec, "updateStrategy"), "type", "RollingUpdate");
        if ((string?)spec["updateStrategy"]!["type"] == "RollingUpdate")
            Absent(Child(spec["updateStrategy"]!.AsObject(), "rollingUpdate"), "partition", 0);
        Absent(spec, "revisionHistoryLimit", 10);
        SetTemplate(spec);
        foreach (var claim in Objects(spec["volumeClaimTemplates"]))
        {
            Absent(claim, "apiVersion", "v1");
            Absent(claim, "kind", "PersistentVolumeClaim");
            Absent(Spec(claim), "volumeMode", "Filesystem");
            Absent(claim, "status", Json("""{"phase":"Pending"}"""));
        }
    }

    private static void SetDeployment(JsonObject spec)
    {
        Absent(spec, "replicas", 1);
        Absent(Child(spec, "strategy"), "type", "RollingUpdate");
        if ((string?)spec["strategy"]!["type"] == "RollingUpdate")
        {
            var rolling = Child(spec["strategy"]!.AsObject(), "rollingUpdate");
            Absent(rolling, "maxUnavailable", "25%");
            Absent(rolling, "maxSurge", "25%");
        }

        Absent(spec, "revisionHistoryLimit", 10);
        Absent(spec, "progressDeadlineSeconds", 600);
        SetTemplate(spec);
    }

    private static void SetJob(JsonObject spec)
    {
        Absent(spec, "completions", 1);
        Absent(spec, "parallelism", 1);
        Absent(spec, "backoffLimit", 6);
        SetTemplate(spec);
    }

    private static void SetService(JsonObject spec)
    {
        Absent(spec, "type", "ClusterIP");
        Absent(spec, "sessionAffinity", "None");
        foreach (var port in Objects(spec["ports"]))
        {
            Absent(port, "protocol", "TCP");
            Absent(port, "targetPort", port["port"]?.DeepClone());
        }
    }

    private static void SetNetworkPolicy(JsonObject spec)
    {
        Absent(spec, "policyTypes", spec.ContainsKey("egress") ? Json("""["Ingress","Egress"]""") : Json("""["Ingress"]"""));
        foreach (var port in Objects(spec["ingress"]).Concat(Objects(spec["egress"])).SelectMany(rule => Objects(rule["ports"])))
            Absent(port, "protocol", "TCP");
    }

    private static void SetSubjects(JsonObject body)
    {
        const string Rbac = "rbac.authorization.k8s.io";
        if (body["roleRef"] is JsonObject role)
            Absent(role, "apiGroup", Rbac);
        foreach (var subject in Objects(body["subjects"]).Where(subject => (string?)subject["kind"] is "User" or "Group"))
            Absent(subject, "apiGroup", Rbac);
    }

    private static void FoldStringData(JsonObject body)
    {
        foreach (var (key, text) in body["stringData"] as JsonObject ?? [])
            Child(body, "data")[key] = Convert.ToBase64String(Encoding.UTF8.GetBytes((string)text!));
        body.Remove("stringData");
    }

    private static void SetTemplate(JsonObject spec)
    {
        if (spec["template"] is JsonObject template)
            SetPodSpec(Spec(template));
    }

    private static void SetPodSpec(JsonObject spec)
    {
        Absent(spec, "restartPolicy", "Always");
        Absent(spec, "terminationGracePeriodSeconds", 30);
        Absent(spec, "dnsPolicy", "ClusterFirst");
        Absent(spec, "securityContext", new JsonObject());
        Absent(spec, "schedulerName", "default-scheduler");
        if (spec["serviceAccountName"] is { } account)
            Absent(spec, "serviceAccount", account.DeepClone());
        foreach (var container in Objects(spec["initContainers"]).Concat(Objects(spec["containers"])))
            SetContainer(container);
        foreach (var volume in Objects(spec["volumes"]))
            SetVolume(volume);
    }

    private static void SetContainer(JsonObject container)
    {
        Absent(container, "terminationMessagePath", "/dev/termination-log");
        Absent(container, "terminationMessagePolicy", "File");
        Absent(container, "resources", new JsonObject());
        var image = (string?)container["image"] ?? "";
        var tag = image[(image.LastIndexOf('/') + 1)..];
        Absent(container, "imagePullPolicy", !tag.Contains(':', StringComparison.Ordinal) || tag.EndsWith(":latest", StringComparison.Ordinal) ? "Always" : "IfNotPresent");
        foreach (var port in Objects(container["ports"]))
            Absent(port, "protocol", "TCP");
        foreach (var variable in Objects(container["env"]))
            SetFieldReference(variable["valueFrom"]);
        foreach (var probe in new[] { "livenessProbe", "readinessProbe", "startupProbe" }.Select(name => container[name]).OfType<JsonObject>())
        {
            SetHttpGet(probe);
            Absent(probe, "timeoutSeconds", 1);
            Absent(probe, "periodSeconds", 10);
            Absent(probe, "successThreshold", 1);
            Absent(probe, "failureThreshold", 3);
        }

        foreach (var hook in new[] { "postStart", "preStop" }.Select(name => container["lifecycle"]?[name]).OfType<JsonObject>())
            SetHttpGet(hook);
    }

    private static void SetHttpGet(JsonObject handler)
    {
        if (handler["httpGet"] is not JsonObject get)
            return;
        Absent(get, "path", "/");
        Absent(get, "scheme", "HTTP");
    }

    private static void SetVolume(JsonObject volume)
    {
        const int ReadableByAll = 420;
        foreach (var source in new[] { "configMap", "secret", "projected", "downwardAPI" }.Select(name => volume[name]).OfType<JsonObject>())
            Absent(source, "defaultMode", ReadableByAll);
        if (volume.Count == 1)
            volume["emptyDir"] = new JsonObject();
        foreach (var source in Objects(volume["projected"]?["sources"]))
        {
            if (source["serviceAccountToken"] is JsonObject token)
                Absent(token, "expirationSeconds", 3600);
            foreach (var file in Objects(source["downwardAPI"]?["items"]))
                SetFieldReference(file);
        }

        foreach (var file in Objects(volume["downwardAPI"]?["items"]))
            SetFieldReference(file);
    }

    private static void SetFieldReference(JsonNode? holder)
    {
        if (holder?["fieldRef"] is JsonObject reference)
            Absent(reference, "apiVersion", "v1");
    }

    private static JsonObject Spec(JsonObject body) => Child(body, "spec");

    private static JsonObject Child(JsonObject parent, string name)
    {
        if (parent[name] is not JsonObject child)
            parent[name] = child = [];
        return child;
    }

    private static IEnumerable<JsonObject> Objects(JsonNode? list) => (list as JsonArray ?? []).OfType<JsonObject>();

    private static void Absent(JsonObject target, string field, JsonNode? value)
    {
        if (target[field] is null)
            target[field] = value;
    }

    private static JsonNode Json(string text) => JsonNode.Parse(text)!;
}
