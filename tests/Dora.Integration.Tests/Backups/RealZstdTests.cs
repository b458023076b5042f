using System.Diagnostics;
using Dora.Backup.Streams;
using Xunit;

namespace Dora.Integration.Tests.Backups;

public sealed class RealZstdTests
{
    [Fact]
    public async Task The_program_zstd_reads_what_we_write()
    {
        var token = TestContext.Current.CancellationToken;
        var data = new byte[1_000_000];
        new Random(7).NextBytes(data.AsSpan(0, 300_000));
        using var compressed = new MemoryStream();
        await using var compressing = new ZstdCompressingStream(compressed);
        await compressing.WriteAsync(data, token);
        await compressing.CompleteAsync(token);
        using var process = Process.Start(new ProcessStartInfo("zstd", ["-dc"]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
        using var output = new MemoryStream();
        var reading = process.StandardOutput.BaseStream.CopyToAsync(output, token);
        await process.StandardInput.BaseStream.WriteAsync(compressed.ToArray(), token);
        process.StandardInput.Close();
        await reading;
        await process.WaitForExitAsync(token);

        Assert.Equal(0, process.ExitCode);
        Assert.Equal(data, output.ToArray());
    }
}
