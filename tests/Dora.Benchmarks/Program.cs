using System.CommandLine;
using System.Text.Json;
using Dora.Benchmarks.Backups;
using Dora.Benchmarks.Foos;
using Dora.Benchmarks.Measuring;
using Dora.Benchmarks.Stacks;

// The measured controller starts without the rest of this program, as a controller of its own would.
if (args is ["foo-controller", var account])
    return await FooController.RunAsync(account);

var kubeconfig = new Option<string>("--kubeconfig") { Description = "The API server's administrator.", Required = true };
var peer = new Option<string>("--sample-controller") { Description = "Kubernetes' sample-controller.", Required = true };
var subject = new Option<string>("--operator") { Description = "The published dora-operator.", Required = true };
var logs = new Option<string>("--logs") { Description = "Folder for what the measured programs print.", Required = true };
var environment = new Option<string[]>("--environment") { Description = "NAME=VALUE for our programs, as in their container; may be given several times.", DefaultValueFactory = _ => [] };
var foos = new Option<int>("--foos") { Description = "Foos of the first benchmark; 0 leaves it out.", DefaultValueFactory = _ => 2000 };
var two = new Option<int>("--stacks") { Description = "Stacks of two engines; 0 leaves them out.", DefaultValueFactory = _ => 200 };
var five = new Option<int>("--five") { Description = "Stacks of five engines; 0 leaves them out.", DefaultValueFactory = _ => 200 };
var vaults = new Option<int>("--vault") { Description = "Stacks with passwords and certificates from Vault; 0 leaves them out.", DefaultValueFactory = _ => 20 };
var agent = new Option<string>("--agent") { Description = "The published dora-agent.", Required = true };
var store = new Option<string>("--object-store") { Description = "Folder of a store that hack/object-store.sh started.", Required = true };
var backup = new Option<int>("--backup") { Description = "MiB that are backed up and restored; 0 leaves it out.", DefaultValueFactory = _ => 1024 };
var expire = new Option<int>("--expire") { Description = "Objects of backups that are removed; 0 leaves it out.", DefaultValueFactory = _ => 10_000 };
var pods = new Option<string?>("--pod-report") { Description = "File with what the end-to-end benchmark measured on pods." };
var samples = new Option<int>("--samples") { Description = "Deleted Services whose return is timed.", DefaultValueFactory = _ => 100 };
var json = new Option<bool>("--json") { Description = "One JSON document on stdout; the table goes to stderr." };
var strict = new Option<bool>("--strict") { Description = "Exit code 1 if a target is missed." };
var root = new RootCommand("Measures Dora Operator on one API server; started by hack/bench.sh.") { kubeconfig, peer, subject, logs, environment, foos, two, five, vaults, agent, store, backup, expire, pods, samples, json, strict };
root.SetAction(async (parse, cancellationToken) =>
{
    var bench = new Bench(parse.GetValue(kubeconfig)!, parse.GetValue(logs)!, parse.GetValue(environment)!, TimeProvider.System);
    var machine = Machine.Read();
    var fooReport = parse.GetValue(foos) is > 0 and var fooCount
        ? await new FooBenchmark(bench, fooCount).RunAsync(parse.GetValue(peer)!, cancellationToken)
        : null;
    var program = parse.GetValue(subject)!;
    var stackReports = new List<StackReport>();
    foreach (var (load, count) in new[] { (StackLoad.Two, parse.GetValue(two)), (StackLoad.Five, parse.GetValue(five)) })
    {
        if (count > 0)
            stackReports.Add(await new StackBenchmark(bench, load, count, parse.GetValue(samples)).RunAsync(program, cancellationToken));
    }

    var vault = parse.GetValue(vaults) is > 0 and var vaultCount ? await new VaultBenchmark(bench, vaultCount).RunAsync(program, cancellationToken) : null;
    var agentReport = parse.GetValue(backup) is > 0 and var mebibytes ? await new AgentBenchmark(bench, mebibytes, parse.GetValue(store)!).RunAsync(parse.GetValue(agent)!, cancellationToken) : null;
    var expiry = parse.GetValue(expire) is > 0 and var objects ? await new ExpiryBenchmark(bench, objects, parse.GetValue(store)!).RunAsync(parse.GetValue(agent)!, cancellationToken) : null;
    var plan = await new PlanBenchmark(bench).RunAsync(program, cancellationToken);
    var podReport = parse.GetValue(pods) is { } file ? JsonSerializer.Deserialize(await File.ReadAllTextAsync(file, cancellationToken), ReportJson.Default.PodReport) : null;
    var report = BenchReport.Of(machine, Machine.Read().LoadAverage, fooReport, stackReports, plan, vault, agentReport, expiry, podReport);
    if (parse.GetValue(json))
        Console.Out.WriteLine(JsonSerializer.Serialize(report, ReportJson.Default.BenchReport));
    (parse.GetValue(json) ? Console.Error : Console.Out).Write(ReportTable.Render(report));
    return parse.GetValue(strict) && report.Targets.Any(target => !target.Met) ? 1 : 0;
});
return await root.Parse(args).InvokeAsync(new() { ProcessTerminationTimeout = TimeSpan.FromSeconds(15) });
