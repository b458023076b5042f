using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Dora.Kubernetes.Client;

/// <summary>Runs a credential plugin and reads the ExecCredential it prints.</summary>
internal static class ExecCredentialPlugin
{
    // A token is asked for anew a little before it ends, so that no request carries one that ends on its way.
    private static readonly TimeSpan _expiryMargin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(60);
    private const int MaxErrorLength = 500;

    /// <exception cref="KubeConfigException">The program is missing, fails, is too slow, or prints something else.</exception>
    public static async Task<Credential> RunAsync(ExecPlugin plugin, KubeConfig config, TimeProvider clock, CancellationToken cancellationToken)
    {
        var output = await OutputAsync(plugin, config, clock, cancellationToken);
        ExecCredentialStatus? status;
        try
        {
            status = JsonSerializer.Deserialize(output, ClientJson.Default.ExecCredential)?.Status;
        }
        catch (JsonException fault)
        {
            // The output is not quoted: it may hold the credential.
            throw new KubeConfigException($"The credential plugin {plugin.Command} printed no valid ExecCredential JSON.", fault);
        }

        if (status is null || (string.IsNullOrEmpty(status.Token) && string.IsNullOrEmpty(status.ClientCertificateData)))
            throw new KubeConfigException($"The credential plugin {plugin.Command} printed neither status.token nor status.clientCertificateData.");
        return new(
            status.Token is { Length: > 0 } token ? CredentialSource.Bearer(token) : null,
            CredentialSource.Certificates(status.ClientCertificateData, status.ClientKeyData),
            status.ExpirationTimestamp - _expiryMargin);
    }

    private static async Task<string> OutputAsync(ExecPlugin plugin, KubeConfig config, TimeProvider clock, CancellationToken cancellationToken)
    {
        using var process = Start(plugin, config);
        using var deadline = new CancellationTokenSource(_timeout, clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(either.Token);
            var errors = process.StandardError.ReadToEndAsync(either.Token);
            await process.WaitForExitAsync(either.Token);
            if (process.ExitCode == 0)
                return await output;
            var said = (await errors).Trim();
            throw new KubeConfigException(string.Create(
                CultureInfo.InvariantCulture,
                $"The credential plugin {plugin.Command} ended with code {process.ExitCode}: {said[..Math.Min(said.Length, MaxErrorLength)]}"));
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new KubeConfigException($"The credential plugin {plugin.Command} did not end within {_timeout.TotalSeconds.ToString(CultureInfo.InvariantCulture)} s.");
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    private static Process Start(ExecPlugin plugin, KubeConfig config)
    {
        var start = new ProcessStartInfo(plugin.Command)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var arg in plugin.Args ?? [])
            start.ArgumentList.Add(arg);
        foreach (var (key, value) in plugin.Env ?? new Dictionary<string, string>(StringComparer.Ordinal))
            start.Environment[key] = value;
        start.Environment["KUBERNETES_EXEC_INFO"] = JsonSerializer.Serialize(Request(plugin, config), ClientJson.Default.ExecCredential);
        try
        {
            return Process.Start(start) ?? throw new KubeConfigException($"The credential plugin {plugin.Command} did not start.");
        }
        catch (Win32Exception fault)
        {
            throw new KubeConfigException($"The credential plugin {plugin.Command} cannot be started: {fault.Message}. {plugin.InstallHint}".TrimEnd(), fault);
        }
    }

    private static ExecCredential Request(ExecPlugin plugin, KubeConfig config)
    {
        var cluster = plugin.ProvideClusterInfo
            ? new ExecCluster(
                config.Server.ToString(),
                config.TlsServerName,
                config.InsecureSkipTlsVerify,
                config.CertificateAuthorityPem is { } ca ? Convert.ToBase64String(Encoding.UTF8.GetBytes(ca)) : null,
                config.Proxy?.ToString())
            : null;
        return new(plugin.ApiVersion, "ExecCredential", new(Interactive: false, cluster));
    }
}
