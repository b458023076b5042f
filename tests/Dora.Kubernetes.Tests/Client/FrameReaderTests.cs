using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class FrameReaderTests
{
    private static readonly JsonTypeInfo<WatchFrame<Service>> _json =
        JsonMetadataServices.CreateValueInfo<WatchFrame<Service>>(KubeTypes.Services.Json.Options, new WatchFrameConverter<Service>(KubeTypes.Services.Json));

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100)]
    [InlineData(5000)]
    public async Task A_frame_is_seen_as_soon_as_its_line_has_ended_whatever_the_pieces(int size)
    {
        // The writer may go on only when the reader has taken everything: each piece is a read of its own.
        var pipe = new Pipe(new(pauseWriterThreshold: 1, resumeWriterThreshold: 1));
        await using var frames = new FrameReader(pipe.Reader.AsStream());
        for (var number = 1; number <= 3; number++)
        {
            var next = NextAsync(frames);
            foreach (var piece in Encoding.UTF8.GetBytes(Line(number, 9000)).Chunk(size))
                await pipe.Writer.WriteAsync(piece, TestContext.Current.CancellationToken);
            Assert.Equal($"s{number}", await next);
        }

        await pipe.Writer.CompleteAsync();
        Assert.Null(await NextAsync(frames));
    }

    [Theory]
    [InlineData(1, 1400)]
    [InlineData(2, 200)]
    [InlineData(3, 30)]
    public async Task After_a_burst_each_single_frame_is_seen_at_once(int seed, int burst)
    {
        var random = new Random(seed);
        var pipe = new Pipe(new(pauseWriterThreshold: 0));
        await using var frames = new FrameReader(pipe.Reader.AsStream());
        await WriteAsync(pipe, string.Concat(Enumerable.Range(0, burst).Select(number => Line(number, random.Next(4000)))));
        for (var number = 0; number < burst + 20; number++)
        {
            if (number >= burst)
                await WriteAsync(pipe, Line(number, random.Next(4000)));
            Assert.Equal($"s{number}", await NextAsync(frames));
        }
    }

    [Fact]
    public async Task A_last_frame_needs_no_end_of_line_and_blank_lines_are_none()
    {
        var pipe = new Pipe();
        await using var frames = new FrameReader(pipe.Reader.AsStream());
        await WriteAsync(pipe, "\n \r\n" + Line(1, 1) + "\n\t\n" + Line(2, 1).TrimEnd());
        await pipe.Writer.CompleteAsync();
        Assert.Equal("s1", await NextAsync(frames));
        Assert.Equal("s2", await NextAsync(frames));
        Assert.Null(await NextAsync(frames));
    }

    [Theory]
    [InlineData("null\n")]
    [InlineData("{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}} {}\n")]
    [InlineData("{\"type\":\"ADDED\",\n")]
    public async Task A_line_that_is_not_one_frame_is_refused(string line)
    {
        var pipe = new Pipe();
        await using var frames = new FrameReader(pipe.Reader.AsStream());
        await WriteAsync(pipe, line);
        await Assert.ThrowsAnyAsync<JsonException>(() => NextAsync(frames));
    }

    [Fact]
    public async Task A_line_without_end_is_given_up_before_it_fills_the_memory()
    {
        var pipe = new Pipe(new(pauseWriterThreshold: 0));
        await using var frames = new FrameReader(pipe.Reader.AsStream());
        await WriteAsync(pipe, "{\"type\":\"" + new string('x', FrameReader.Longest));
        var fault = await Assert.ThrowsAsync<JsonException>(() => NextAsync(frames));
        Assert.Contains("longer than", fault.Message, StringComparison.Ordinal);
    }

    private static async Task WriteAsync(Pipe pipe, string text) => await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(text), TestContext.Current.CancellationToken);

    private static async Task<string?> NextAsync(FrameReader frames) =>
        (await frames.NextAsync(_json, TestContext.Current.CancellationToken))?.Event?.Object?.Metadata.Name;

    private static string Line(int number, int size) =>
        $"{{\"type\":\"ADDED\",\"object\":{{\"metadata\":{{\"name\":\"s{number}\",\"resourceVersion\":\"{number}\",\"annotations\":{{\"x\":\"{new string('x', size)}\"}}}}}}}}\n";
}
