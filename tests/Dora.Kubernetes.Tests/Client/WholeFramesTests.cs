using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dora.Kubernetes.Client;
using Dora.Kubernetes.Model;
using Xunit;

namespace Dora.Kubernetes.Tests.Client;

public sealed class WholeFramesTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100)]
    public async Task An_event_that_comes_in_many_pieces_is_seen_at_once(int size)
    {
        // The writer may go on only when the reader has taken everything: each piece is a read of its own.
        var pipe = new Pipe(new(pauseWriterThreshold: 1, resumeWriterThreshold: 1));
        var type = JsonMetadataServices.CreateValueInfo<WatchFrame<Service>>(KubeTypes.Services.Json.Options, new WatchFrameConverter<Service>(KubeTypes.Services.Json));
        await using var frames = JsonSerializer
            .DeserializeAsyncEnumerable(new WholeFrames(pipe.Reader.AsStream()), type, topLevelValues: true, TestContext.Current.CancellationToken)
            .GetAsyncEnumerator(TestContext.Current.CancellationToken);

        for (var number = 1; number <= 3; number++)
        {
            var next = frames.MoveNextAsync();
            foreach (var piece in Encoding.UTF8.GetBytes($"{{\"type\":\"DELETED\",\"object\":{{\"metadata\":{{\"name\":\"s{number}\",\"resourceVersion\":\"{number}\"}}}}}}\n").Chunk(size))
                await pipe.Writer.WriteAsync(piece, TestContext.Current.CancellationToken);
            Assert.True(await next.AsTask().WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
            Assert.Equal($"s{number}", frames.Current!.Event!.Object!.Metadata.Name);
        }

        await pipe.Writer.CompleteAsync();
        Assert.False(await frames.MoveNextAsync());
    }
}
