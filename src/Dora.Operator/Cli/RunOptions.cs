using Dora.Engines;
using Dora.Operator.Credentials;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Cli;

/// <summary>How the operator runs.</summary>
/// <param name="Kubeconfig">File, or null: KUBECONFIG, ~/.kube/config, else the pod's own account.</param>
/// <param name="Context">Context of the kubeconfig, or null for its current one.</param>
/// <param name="Namespaces">Namespaces to watch; empty for all.</param>
/// <param name="LeaderElect">Whether only one of several processes works.</param>
/// <param name="LeaseNamespace">Namespace of the lease, or null: that of the account.</param>
/// <param name="Listen">Address of health and metrics.</param>
/// <param name="Workers">Stacks in work at a time.</param>
/// <param name="Images">Where images come from.</param>
/// <param name="LogLevel">Least level that is logged.</param>
/// <param name="LogFormat">json or text.</param>
/// <param name="Vault">Which Vaults stacks may name and how to log in; null: none.</param>
internal sealed record RunOptions(
    string? Kubeconfig = null,
    string? Context = null,
    IReadOnlyList<string>? Namespaces = null,
    bool LeaderElect = true,
    string? LeaseNamespace = null,
    string Listen = "*:8080",
    int Workers = 4,
    ImageSource? Images = null,
    LogLevel LogLevel = LogLevel.Information,
    string LogFormat = "json",
    VaultAccess? Vault = null);
