using System.Text;
using System.Text.Json.Nodes;
using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using Dora.Kubernetes.Tests.Client;
using Dora.Testing;
using Dora.Testing.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

public sealed class EventRecorderTests : IAsyncLifetime
{
    private const string Events = "/apis/events.k8s.io/v1/namespaces/ns/events";

    private readonly ManualClock _clock = new();
    private readonly ObjectReference _stack = new("dora-operator.io/v1alpha1", "ComplianceStack", "payments", "ns", "uid-1", "5");
    private ScriptedClient _scripted = null!;

    private ScriptedServer Server => _scripted.Server;

    public async ValueTask InitializeAsync() => _scripted = await ScriptedClient.StartAsync(_clock);

    public async ValueTask DisposeAsync() => await _scripted.DisposeAsync();

    private EventRecorder Recorder(int capacity = 1000, int burst = 25) =>
        new(_scripted.Client, new("dora-operator.io/operator", "pod-1", capacity, burst), _clock, NullLogger.Instance);

    private void Accept(int creates) =>
        Server.On($"POST {Events}", [.. Enumerable.Repeat(Reply.Json(201, """{"metadata":{"name":"e"}}"""), creates)]);

    private JsonNode Body(int request) => JsonNode.Parse(Server.Requests[request].Body)!;

    private async Task<string> NameOfFirstAsync(EventRecorder recorder)
    {
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "no");
        await recorder.FlushAsync(default);
        return (string)Body(0)["metadata"]!["name"]!;
    }

    [Fact]
    public async Task An_event_has_all_that_the_server_requires()
    {
        using var recorder = Recorder();
        Accept(1);
        recorder.Record(_stack, KubeEventType.Normal, "Created", "Apply", "made \"it\" 🚀");
        await recorder.FlushAsync(default);
        var body = Body(0);
        Assert.StartsWith("payments.", (string)body["metadata"]!["name"]!, StringComparison.Ordinal);
        Assert.Equal("2026-11-20T12:00:00.000000Z", (string?)body["eventTime"]);
        Assert.Equal(
            ["dora-operator.io/operator", "pod-1", "Apply", "Created", "Normal", "made \"it\" 🚀"],
            new[] { "reportingController", "reportingInstance", "action", "reason", "type", "note" }.Select(key => (string)body[key]!));
        Assert.Equal(("uid-1", null), ((string?)body["regarding"]!["uid"], (string?)body["regarding"]!["resourceVersion"]));
    }

    [Fact]
    public async Task Repetitions_become_a_series_on_the_first_event()
    {
        using var recorder = Recorder();
        Accept(1);
        var name = await NameOfFirstAsync(recorder);
        Server.On($"PATCH {Events}/{name}", Reply.Json("""{"metadata":{"name":"e"}}"""), Reply.Json("""{"metadata":{"name":"e"}}"""));
        for (var i = 0; i < 2; i++)
        {
            _clock.Advance(TimeSpan.FromSeconds(30));
            recorder.Record(_stack with { ResourceVersion = $"{i}" }, KubeEventType.Warning, "Failed", "Reconcile", "no");
            await recorder.FlushAsync(default);
        }

        Assert.Equal("""{"series":{"count":2,"lastObservedTime":"2026-11-20T12:00:30.000000Z"}}""", Server.Requests[1].Body);
        Assert.Equal("""{"series":{"count":3,"lastObservedTime":"2026-11-20T12:01:00.000000Z"}}""", Server.Requests[2].Body);
    }

    [Fact]
    public async Task Another_note_or_a_long_pause_is_another_event()
    {
        using var recorder = Recorder();
        Accept(3);
        await NameOfFirstAsync(recorder);
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "something else");
        await recorder.FlushAsync(default);
        _clock.Advance(TimeSpan.FromMinutes(6));
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "no");
        await recorder.FlushAsync(default);
        Assert.Equal(3, Server.Requests.Select(request => JsonNode.Parse(request.Body)!["metadata"]!["name"]!.ToString()).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public async Task A_series_whose_first_event_has_expired_begins_anew()
    {
        using var recorder = Recorder();
        Accept(2);
        var name = await NameOfFirstAsync(recorder);
        Server.On($"PATCH {Events}/{name}", Reply.Status(404, "NotFound", "gone", $$"""{"name":"{{name}}","kind":"events"}"""));
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "no");
        await recorder.FlushAsync(default);
        Assert.Equal(["POST", "PATCH", "POST"], Server.Requests.Select(request => request.Method));
    }

    [Fact]
    public async Task A_noisy_object_is_bounded_and_a_quiet_one_is_not()
    {
        using var recorder = Recorder(burst: 3);
        Accept(5);
        for (var i = 0; i < 50; i++)
            recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", $"note {i}");
        recorder.Record(_stack with { Name = "quiet", Uid = "uid-2" }, KubeEventType.Normal, "Ready", "Reconcile", "fine");
        await recorder.FlushAsync(default);
        Assert.Equal(4, Server.Requests.Count);
        _clock.Advance(TimeSpan.FromMinutes(5));
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "later");
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "and too much again");
        await recorder.FlushAsync(default);
        Assert.Equal("later", (string?)Body(4)["note"]);
        Assert.Equal(5, Server.Requests.Count);
    }

    [Fact]
    public async Task Repetitions_over_the_bound_are_still_counted()
    {
        using var recorder = Recorder(burst: 1);
        Accept(1);
        var name = await NameOfFirstAsync(recorder);
        for (var i = 0; i < 3; i++)
            recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "no");
        await recorder.FlushAsync(default);
        Assert.Single(Server.Requests);
        Server.On($"PATCH {Events}/{name}", Reply.Json("""{"metadata":{"name":"e"}}"""));
        _clock.Advance(TimeSpan.FromMinutes(5));
        recorder.Record(_stack, KubeEventType.Warning, "Failed", "Reconcile", "no");
        await recorder.FlushAsync(default);
        Assert.Equal(5, (int)Body(1)["series"]!["count"]!);
    }

    [Theory]
    [InlineData("x", 2000)]
    [InlineData("é", 1000)]
    [InlineData("🚀", 300)]
    public async Task A_long_note_is_cut_between_characters_to_one_kibibyte(string character, int count)
    {
        using var recorder = Recorder();
        Accept(1);
        recorder.Record(_stack, KubeEventType.Normal, "R", "A", string.Concat(Enumerable.Repeat(character, count)));
        await recorder.FlushAsync(default);
        var note = (string)Body(0)["note"]!;
        Assert.InRange(Encoding.UTF8.GetByteCount(note), 1018, 1024);
        Assert.Equal($"{string.Concat(Enumerable.Repeat(character, (note.Length - 1) / character.Length))}…", note);
    }

    [Fact]
    public async Task A_cluster_scoped_object_has_its_events_in_the_default_namespace()
    {
        using var recorder = Recorder();
        Server.On("POST /apis/events.k8s.io/v1/namespaces/default/events", Reply.Json(201, """{"metadata":{"name":"e"}}"""));
        recorder.Record(new("v1", "Node", new string('n', 253)), KubeEventType.Normal, "R", "A", "note");
        await recorder.FlushAsync(default);
        Assert.InRange(((string)Body(0)["metadata"]!["name"]!).Length, 1, 253);
    }

    [Fact]
    public async Task Recording_neither_waits_nor_throws_when_nobody_writes()
    {
        using var recorder = Recorder(capacity: 2);
        Accept(2);
        for (var i = 0; i < 1000; i++)
            recorder.Record(_stack, KubeEventType.Normal, "R", "A", $"note {i}");
        await recorder.FlushAsync(default);
        Assert.Equal("note 0", (string?)Body(0)["note"]);
        Assert.Equal("note 1", (string?)Body(1)["note"]);
    }

    [Fact]
    public async Task A_refused_event_does_not_stop_the_next()
    {
        using var recorder = Recorder();
        using var stop = new CancellationTokenSource();
        Server.On($"POST {Events}", Reply.Status(403, "Forbidden", "no"), Reply.Abort(), Reply.Json("nonsense"), Reply.Json(201, """{"metadata":{"name":"e"}}"""));
        var running = recorder.RunAsync(stop.Token);
        for (var i = 0; i < 4; i++)
        {
            recorder.Record(_stack, KubeEventType.Normal, "R", "A", $"note {i}");
            Assert.Contains($"note {i}", (await Server.NextRequestAsync()).Body, StringComparison.Ordinal);
        }

        await stop.CancelAsync();
        await running;
    }
}
