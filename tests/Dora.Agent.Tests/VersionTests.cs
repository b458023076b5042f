namespace Dora.Agent.Tests;

public sealed class VersionTests
{
    [Fact]
    public async Task It_says_its_version()
    {
        using var output = new StringWriter();
        var code = await VersionCommand.Create().Parse([]).InvokeAsync(new() { Output = output }, TestContext.Current.CancellationToken);

        Assert.Equal(0, code);
        Assert.Matches(@"^dora-agent \d+\.\d+\.\d+", output.ToString());
    }
}
