using Dora.Engines;

namespace Dora.Integration.Tests.Crds;

/// <summary>Every bad input of where pods run, and of who may reach them, that the schema or its CEL rules can catch.</summary>
internal static class PodRows
{
    private const string Key = "a key must be a label's key, such as disktype or topology.kubernetes.io/zone";
    private const string Values = "In and NotIn need values; Exists and DoesNotExist take none";
    private const string OneClient = "name a client by cidr alone, or by namespaceSelector, podSelector or both";

    public static IReadOnlyList<RefusedStack> All { get; } =
    [
        .. new[] { "pods" }.Concat(EngineCatalogue.All.Select(engine => $"engines.{engine.Name}.pods")).SelectMany(OfPods),
        .. EngineCatalogue.All.SelectMany(engine => OfImages($"engines.{engine.Name}.pods")),
        new("an image for all engines", Stack("pods", "image: 'a:1'"), "", "unknown field \"spec.pods.image\"", Code: 400),
        Network("unknown mode", "policies: Sometimes", "policies", "supported values: \"Enabled\", \"Disabled\""),
        Network("client that is nobody", "clients: [{}]", "clients[0]", OneClient),
        Network("client that is two", "clients: [{cidr: 10.0.0.0/8, podSelector: {}}]", "clients[0]", OneClient),
        Network("address without a length", "clients: [{cidr: 10.0.0.1}]", "clients[0].cidr", "should match"),
        Network("address that is none", "clients: [{cidr: 10.0.0.256/8}]", "clients[0].cidr", "should match"),
        Network("address of too long a prefix", "clients: [{cidr: 'fe80::/129'}]", "clients[0].cidr", "should match"),
        Network("seventeen clients", $"clients: [{string.Join(", ", Enumerable.Repeat("{podSelector: {}}", 17))}]", "clients", "must have at most 16 items"),
        Network("monitoring that is nobody", "monitoring: [{}]", "monitoring[0]", OneClient),
        Network("destination that is nobody", "egress: [{ports: [1]}]", "egress[0]", OneClient.Replace("client", "destination", StringComparison.Ordinal)),
        Network("destination without a port", "egress: [{cidr: 10.0.0.0/8}]", "egress[0].ports", "Required value"),
        Network("destination with no port", "egress: [{cidr: 10.0.0.0/8, ports: []}]", "egress[0].ports", "should have at least 1 items"),
        Network("destination with port 0", "egress: [{cidr: 10.0.0.0/8, ports: [0]}]", "egress[0].ports[0]", "should be greater than or equal to 1"),
        Network("destination with port 65536", "egress: [{cidr: 10.0.0.0/8, ports: [65536]}]", "egress[0].ports[0]", "should be less than or equal to 65535"),
        Network("API server without a length", "apiServer: [10.0.0.1]", "apiServer[0]", "should match"),
        Network("a mesh that is not known", "mesh: Linkerd", "mesh", "supported values: \"None\", \"Istio\""),
        Network("a try of the network each minute", "probe: {interval: 30m}", "probe.interval", "should match"),
        Network("a try of the network from an image without a tag", "probe: {image: mirror.example/agent}", "probe.image", "should match"),
        .. from list in (string[])["clients", "monitoring", "egress"]
           from selector in (string[])["podSelector", "namespaceSelector"]
           from row in Selectors(list, selector)
           select row,
    ];

    /// <summary>Updates that must be accepted: title, spec before, spec after.</summary>
    public static IReadOnlyList<(string Title, string Before, string After)> Allowed { get; } =
    [
        ("pods come and go", Stack("pods", ""), Stack("pods", $"{Operator.DryRunTests.Pods[1..^1]}")),
        ("pods of an engine with an image by digest", Stack("engines.redis.pods", "image: 'a:1'"), Stack("engines.redis.pods", $"antiAffinity: Required, nodeSelector: {{}}, image: 'mirror.example:5000/a/b@sha256:{new string('a', 64)}'")),
        ("clients of every kind", Stack("network", "policies: Disabled"), Stack("network", Operator.DryRunTests.Network[1..^1])),
        ("a try of the network comes and goes", Stack("network", "probe: {interval: 2w, image: 'mirror.example/dora/agent:1'}"), Stack("network", "probe: {}")),
        ("everybody by address", Stack("network", ""), Stack("network", "clients: [{cidr: 0.0.0.0/0}, {cidr: '::/0'}]")),
    ];

    private static IEnumerable<RefusedStack> OfPods(string path) =>
    [
        Row(path, "key of a node selector", "nodeSelector: {'a b': c}", "nodeSelector", Key),
        Row(path, "long key of a node selector", $"nodeSelector: {{{new string('a', 64)}: c}}", "nodeSelector", Key),
        Row(path, "value of a node selector", "nodeSelector: {a: 'b c'}", "nodeSelector.a", "should match"),
        Row(path, "seventeen labels", $"nodeSelector: {{{string.Join(", ", Enumerable.Range(0, 17).Select(number => $"a{number}: b"))}}}", "nodeSelector", "must have at most 16 items"),
        Row(path, "toleration of everything by Equal", "tolerations: [{effect: NoSchedule}]", "tolerations[0]", "operator must be Exists without a key: it then tolerates every taint"),
        Row(path, "value beside Exists", "tolerations: [{key: a, operator: Exists, value: b}]", "tolerations[0].value", "operator Exists takes no value"),
        Row(path, "seconds without NoExecute", "tolerations: [{key: a, tolerationSeconds: 5}]", "tolerations[0].tolerationSeconds", "tolerationSeconds needs effect NoExecute"),
        Row(path, "unknown operator", "tolerations: [{key: a, operator: Like}]", "tolerations[0].operator", "supported values: \"Equal\", \"Exists\""),
        Row(path, "unknown effect", "tolerations: [{key: a, effect: Never}]", "tolerations[0].effect", "supported values: \"NoSchedule\", \"PreferNoSchedule\", \"NoExecute\""),
        Row(path, "key of a toleration", "tolerations: [{key: 'a b'}]", "tolerations[0].key", "should match"),
        Row(path, "PriorityClass in capitals", "priorityClassName: High", "priorityClassName", "should match"),
        Row(path, "unknown anti-affinity", "antiAffinity: Maybe", "antiAffinity", "supported values: \"None\", \"Preferred\", \"Required\""),
        Row(path, "pull secret in capitals", "imagePullSecrets: [Mirror]", "imagePullSecrets[0]", "should match"),
    ];

    private static IEnumerable<RefusedStack> OfImages(string path) =>
    [
        Row(path, "image without a tag", "image: mirror.example/postgres", "image", "should match"),
        Row(path, "image with a scheme", "image: 'https://mirror.example/postgres:15'", "image", "should match"),
        Row(path, "image with half a digest", "image: 'postgres@sha256:12'", "image", "should match"),
    ];

    private static IEnumerable<RefusedStack> Selectors(string list, string selector) =>
    [
        Network($"key of a {selector} of {list}", $"{list}: [{{{Ports(list)}{selector}: {{matchLabels: {{'a b': c}}}}}}]", $"{list}[0].{selector}.matchLabels", Key),
        Network($"{selector} of {list} In without values", $"{list}: [{{{Ports(list)}{selector}: {{matchExpressions: [{{key: a, operator: In}}]}}}}]", $"{list}[0].{selector}.matchExpressions[0].values", Values),
        Network($"{selector} of {list} Exists with values", $"{list}: [{{{Ports(list)}{selector}: {{matchExpressions: [{{key: a, operator: Exists, values: [b]}}]}}}}]", $"{list}[0].{selector}.matchExpressions[0].values", Values),
        Network($"{selector} of {list} by an unknown operator", $"{list}: [{{{Ports(list)}{selector}: {{matchExpressions: [{{key: a, operator: Like}}]}}}}]", $"{list}[0].{selector}.matchExpressions[0].operator", "Unsupported value: \"Like\""),
    ];

    private static string Ports(string list) => list == "egress" ? "ports: [1], " : "";

    private static RefusedStack Row(string path, string title, string settings, string field, string message) =>
        new($"{path}: {title}", Stack(path, settings), $"spec.{path}.{field}", message);

    private static RefusedStack Network(string title, string settings, string field, string message) =>
        new($"network: {title}", Stack("network", settings), $"spec.network.{field}", message);

    // Path a.b.c becomes {a: {b: {c: {...}}}}.
    private static string Stack(string path, string settings)
    {
        var nested = path.Split('.').Reverse().Aggregate($"{{{settings}}}", (inner, key) => $"{{{key}: {inner}}}")[1..^1];
        return path.StartsWith("engines.", StringComparison.Ordinal) ? $"{{tier: Development, {nested}}}" : $"{{tier: Development, {nested}, engines: {{redis: {{}}}}}}";
    }
}
