using Dora.Benchmarks.Measuring;

namespace Dora.Benchmarks.Stacks;

/// <summary>What <c>dora-operator plan</c> costs: once, with its start, and for each further stack.</summary>
internal sealed class PlanBenchmark(Bench bench)
{
    private const int Rounds = 5;
    private const int More = 40;

    private const string Engines = """
          tier: Production
          engines:
            postgres: {}
            neo4j: {license: Commercial}
            mongodb: {}
            influxdb: {}
            redis: {}
        """;

    public async Task<PlanReport> RunAsync(string program, CancellationToken cancellationToken)
    {
        bench.Say($"planning 1 and {1 + More} stacks of five engines, {Rounds} times each");
        var one = await MedianAsync(program, 1, cancellationToken);
        var many = await MedianAsync(program, 1 + More, cancellationToken);
        return new(one * 1000, (many - one) * 1000 / More);
    }

    private async Task<double> MedianAsync(string program, int stacks, CancellationToken cancellationToken)
    {
        var file = bench.LogFile($"plan-{stacks}.yaml");
        await File.WriteAllTextAsync(file, string.Join("---\n", Enumerable.Range(0, stacks).Select(Stack)), cancellationToken);
        var seconds = new List<double>();
        for (var round = 0; round < Rounds; round++)
        {
            await using var plan = bench.StartOurs("plan", program, "plan", "-f", file);
            seconds.Add((await plan.EndAsync(cancellationToken)).TotalSeconds);
        }

        return seconds.Order().ElementAt(Rounds / 2);
    }

    private static string Stack(int i) => $"apiVersion: dora-operator.io/v1alpha1\nkind: ComplianceStack\nmetadata: {{name: plan-{i}, namespace: bench}}\nspec:\n{Engines}\n";
}
