using System.CommandLine;
using System.CommandLine.Parsing;

namespace Dora.Agent.Probing;

/// <summary><c>dora-agent probe-network</c>: tries TCP connections, and says which were possible. It sends nothing over them.</summary>
internal static class ProbeNetworkCommand
{
    public static Command Create()
    {
        var controls = new Option<string[]>("--control") { Description = "A connection that must be possible: NAME=ADDRESS:PORT, or `kubernetes` for the API server. Tried until it is, for half a minute at most.", DefaultValueFactory = _ => [] };
        var targets = new Option<string[]>("--target") { Description = "A connection that must not be possible: NAME=ADDRESS:PORT.", DefaultValueFactory = _ => [] };
        var report = new Option<string>("--report") { Description = "File that the report is written to.", DefaultValueFactory = _ => "/dev/termination-log" };
        var command = new Command("probe-network", "Try connections that must and must not be possible; exit 0 whatever they were.") { controls, targets, report };
        controls.Validators.Add(Check);
        targets.Validators.Add(Check);
        command.SetAction((parse, cancellationToken) => RunAsync(
            parse.GetValue(controls)!, parse.GetValue(targets)!, parse.GetValue(report)!, parse.InvocationConfiguration.Output, cancellationToken));
        return command;

        static void Check(OptionResult result)
        {
            foreach (var token in result.Tokens.Where(token => !Connection.IsOne(token.Value)))
                result.AddError($"'{token.Value}' is not NAME=ADDRESS:PORT with an IP address");
        }
    }

    private static async Task<int> RunAsync(string[] controls, string[] targets, string report, TextWriter output, CancellationToken cancellationToken)
    {
        var prober = new NetworkProber(new(), TimeProvider.System);
        var found = await prober.ProbeAsync([.. controls.Select(Connection.Parse)], [.. targets.Select(Connection.Parse)], cancellationToken).ConfigureAwait(false);
        foreach (var (name, outcome) in controls.Concat(targets).Zip(found.Controls.Concat(found.Targets)))
            await output.WriteLineAsync($"{name} {outcome}".AsMemory(), cancellationToken).ConfigureAwait(false);
        await File.WriteAllTextAsync(report, found.Message, cancellationToken).ConfigureAwait(false);
        return 0;
    }
}
