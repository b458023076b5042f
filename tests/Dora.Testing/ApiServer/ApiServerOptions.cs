namespace Dora.Testing.ApiServer;

/// <summary>How an <see cref="InMemoryApiServer"/> is to be.</summary>
/// <param name="NamespacesExistByThemselves">A write into an unknown namespace makes it, instead of failing with 404.</param>
/// <param name="Tls">Also listens with TLS, under a certificate made for this run.</param>
/// <param name="AggregatedDiscovery">Whether <c>/apis</c> can be had in one piece (Kubernetes 1.26 and later).</param>
/// <param name="Without">Resources that shall not be served, e.g. <c>policy/v1/poddisruptionbudgets</c> for a Kubernetes before 1.21.</param>
/// <param name="User">Whom refusals name.</param>
public sealed record ApiServerOptions(
    bool NamespacesExistByThemselves = false,
    bool Tls = false,
    bool AggregatedDiscovery = true,
    IReadOnlyList<string>? Without = null,
    string User = "system:serviceaccount:dora-system:dora-operator")
{
    /// <summary>Time of timestamps, watch timeouts and bookmarks.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;
}
