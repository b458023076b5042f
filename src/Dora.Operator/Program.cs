using System.CommandLine;
using Dora.Operator.Cli;

var root = new RootCommand("Runs ComplianceStacks: one resource becomes database clusters that are secured, backed up and proven.")
{
    RunCommand.Create(),
    PlanCommand.Create(),
    GenerateCommand.Create(),
    VersionCommand.Create(),
};
return await root.Parse(args).InvokeAsync().ConfigureAwait(false);
