using Dora.Kubernetes.Model;

namespace Dora.Operator.Stacks;

/// <summary>Why a pod does not come up, in words that say what to do.</summary>
public static class PodProblems
{
    /// <summary>The first problem of some pods, or null.</summary>
    public static (string Reason, string Message)? First(IEnumerable<Pod> pods)
    {
        ArgumentNullException.ThrowIfNull(pods);
        foreach (var pod in pods.OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal))
        {
            if (Of(pod) is { } problem)
                return problem;
        }

        return null;
    }

    private static (string Reason, string Message)? Of(Pod pod)
    {
        var name = pod.Metadata.Name;
        var statuses = (pod.Status?.InitContainerStatuses ?? []).Concat(pod.Status?.ContainerStatuses ?? []);
        foreach (var container in statuses)
        {
            switch (container.State?.Waiting?.Reason)
            {
                case "ErrImagePull" or "ImagePullBackOff" or "InvalidImageName" or "ErrImageNeverPull":
                    return ("ImagePullFailed", $"{name}: image {container.Image} cannot be pulled; check its name, the registry and the pull secrets");
                case "CreateContainerConfigError" or "CreateContainerError" or "RunContainerError":
                    return ("ContainerCreateFailed", $"{name}: container {container.Name} cannot be created; see `kubectl describe pod {name}`");
                case "CrashLoopBackOff":
                    return ("CrashLooping", $"{name}: container {container.Name} keeps ending; see `kubectl logs {name} -c {container.Name} --previous`");
            }
        }

        var scheduled = pod.Status?.Conditions?.FirstOrDefault(condition => condition.Type == "PodScheduled");
        return scheduled is { Status: "False", Reason: "Unschedulable" }
            ? ("Unschedulable", $"{name}: no node fits; see `kubectl describe pod {name}`")
            : null;
    }
}
