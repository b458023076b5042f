using System.CommandLine;
using Dora.Agent;
using Dora.Agent.Probing;

var root = new RootCommand("Works in pods beside databases, and asks the Kubernetes API nothing: what it finds is its last message.")
{
    VersionCommand.Create(),
    ProbeNetworkCommand.Create(),
};
return await root.Parse(args).InvokeAsync().ConfigureAwait(false);
