using System.CommandLine;
using Dora.Kubernetes.Client;
using Microsoft.Extensions.Logging;

namespace Dora.Operator.Cli;

/// <summary><c>dora-operator run</c>.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var kubeconfig = new Option<string?>("--kubeconfig") { Description = "Kubeconfig file. Default: $KUBECONFIG, ~/.kube/config, else the pod's own account." };
        var context = new Option<string?>("--context") { Description = "Context of the kubeconfig. Default: its current one." };
        var namespaces = new Option<string[]>("--namespace", "-n") { Description = "Namespace to watch; may be given several times. Default: all.", DefaultValueFactory = _ => [] };
        var elect = new Option<bool>("--leader-elect") { Description = "Let only one of several processes work.", DefaultValueFactory = _ => true };
        var lease = new Option<string?>("--lease-namespace") { Description = "Namespace of the leader's lease. Default: that of the account." };
        var listen = new Option<string>("--listen") { Description = "Address of /livez, /readyz and /metrics.", DefaultValueFactory = _ => "*:8080" };
        var workers = new Option<int>("--workers") { Description = "Stacks in work at a time.", DefaultValueFactory = _ => 4 };
        var repository = CommonOptions.ImageRepository();
        var pull = new Option<string>("--image-pull-policy") { Description = "IfNotPresent, Always or Never.", DefaultValueFactory = _ => "IfNotPresent" };
        pull.AcceptOnlyFromAmong("IfNotPresent", "Always", "Never");
        var level = new Option<LogLevel>("--log-level") { Description = "Least level that is logged.", DefaultValueFactory = _ => LogLevel.Information };
        var format = new Option<string>("--log-format") { Description = "json or text.", DefaultValueFactory = _ => "json" };
        format.AcceptOnlyFromAmong("json", "text");
        var vault = new VaultOptions();
        var command = new Command("run", "Watch ComplianceStacks and bring the cluster to what they ask.")
        {
            kubeconfig, context, namespaces, elect, lease, listen, workers, repository, pull, level, format,
        };
        vault.AddTo(command);
        command.SetAction((parse, cancellationToken) => RunAsync(
            new(
                parse.GetValue(kubeconfig),
                parse.GetValue(context),
                parse.GetValue(namespaces),
                parse.GetValue(elect),
                parse.GetValue(lease),
                parse.GetValue(listen)!,
                Math.Clamp(parse.GetValue(workers), 1, 64),
                new(parse.GetValue(repository)!, parse.GetValue(pull)!),
                parse.GetValue(level),
                parse.GetValue(format)!,
                vault.Read(parse)),
            parse.InvocationConfiguration.Error,
            cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(RunOptions options, TextWriter error, CancellationToken cancellationToken)
    {
        using var logs = LoggerFactory.Create(builder =>
        {
            builder.SetMinimumLevel(options.LogLevel);
            if (options.LogFormat == "json")
                builder.AddJsonConsole(json => { json.UseUtcTimestamp = true; json.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ"; });
            else
                builder.AddSimpleConsole(text => { text.SingleLine = true; text.UseUtcTimestamp = true; text.TimestampFormat = "HH:mm:ss.fff "; });
        });
        try
        {
            return await OperatorProcess.RunAsync(options, TimeProvider.System, logs, error, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeConfigException exception)
        {
            await error.WriteLineAsync(exception.Message.AsMemory(), CancellationToken.None).ConfigureAwait(false);
            return ExitCodes.BadInput;
        }
    }
}
