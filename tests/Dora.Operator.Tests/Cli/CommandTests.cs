using System.CommandLine;
using Dora.Kubernetes.Model;
using Dora.Operator.Cli;
using Dora.Testing;

namespace Dora.Operator.Tests.Cli;

public sealed class CommandTests
{
    [Fact]
    public void Generated_files_are_up_to_date() => Assert.All(GenerateCommand.Files(), file =>
        Assert.Equal(file.Value, File.ReadAllText(Path.Combine(GoldenFile.RepositoryRoot, file.Key))));

    [Fact]
    public void The_CRD_stays_small_enough_for_client_side_apply() =>
        Assert.All(GenerateCommand.Files(), file => Assert.True(file.Value.Length < 200_000, file.Key));

    [Fact]
    public void Every_sample_can_be_planned() => Assert.All(
        Directory.GetFiles(Path.Combine(GoldenFile.RepositoryRoot, "config/samples"), "*.yaml").Where(file => !file.EndsWith("kustomization.yaml", StringComparison.Ordinal)),
        file =>
        {
            var (code, output, error) = Plan(file);
            Assert.Equal((0, ""), (code, error));
            Assert.All(KubeYaml.ReadAll(output), document => Assert.NotNull(document["kind"]));
        });

    [Theory]
    [InlineData("spec: {tier: Development, engines: {mysql: {}}}", "spec.engines.mysql")]
    [InlineData("spec: {tier: Development, engines: {redis: {nonsense: 1}}}", "spec.engines.redis.nonsense")]
    [InlineData("spec: {tier: Development, engines: {redis: {version: \"99\"}}}", "spec.engines.redis.version")]
    [InlineData("spec: {tier: Development, engines: {}}", "spec.engines")]
    [InlineData("spec: {tier: Development, stackVersion: \"1999.01\", engines: {redis: {}}}", "spec.stackVersion")]
    [InlineData("spec: {tier: Giant, engines: {redis: {}}}", "spec.tier")]
    [InlineData("spec: {tier: Development, nonsense: 1, engines: {redis: {}}}", "spec.nonsense")]
    [InlineData("spec: {tier: Development, pods: {image: \"redis:7\"}, engines: {redis: {}}}", "spec.pods.image")]
    [InlineData("spec: {tier: Development, pods: {tolerations: [{}]}, engines: {redis: {}}}", "spec.pods.tolerations[0]")]
    [InlineData("spec: {tier: Development, network: {clients: [{}]}, engines: {redis: {}}}", "spec.network.clients[0]")]
    [InlineData("spec: [", "")]
    public void Bad_input_names_the_field_and_fails(string spec, string field)
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, $"apiVersion: dora-operator.io/v1alpha1\nkind: ComplianceStack\nmetadata: {{name: shop}}\n{spec}\n");
        var (code, _, error) = Plan(file);
        Assert.NotEqual(0, code);
        Assert.Contains(field, error, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public void A_missing_file_is_said() => Assert.Equal(ExitCodes.BadInput, Plan("/nonexistent").Code);

    private static (int Code, string Output, string Error) Plan(string file)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = new RootCommand { PlanCommand.Create() }.Parse(["plan", "-f", file]).Invoke(new() { Output = output, Error = error });
        return (code, output.ToString(), error.ToString());
    }
}
