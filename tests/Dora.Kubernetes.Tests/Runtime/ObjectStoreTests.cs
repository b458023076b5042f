using Dora.Kubernetes.Model;
using Dora.Kubernetes.Runtime;
using FsCheck;
using FsCheck.Fluent;
using Xunit;

namespace Dora.Kubernetes.Tests.Runtime;

public sealed class ObjectStoreTests
{
    private static ConfigMap Of(string name, string version = "1", string uid = "", string? owner = null, string? label = null) => new(new(
        name,
        "ns",
        Uid: uid.Length > 0 ? uid : name,
        ResourceVersion: version,
        Labels: label is null ? null : new Dictionary<string, string> { ["stack"] = label },
        OwnerReferences: owner is null ? null : [new("v1", "X", owner, owner)]));

    [Fact]
    public void Objects_are_found_by_key_owner_and_label()
    {
        var store = new ObjectStore<ConfigMap>("stack");
        store.Set(Of("a", owner: "o1", label: "x"));
        store.Set(Of("b", owner: "o1", label: "y"));
        store.Set(Of("c"));
        Assert.Equal("b", store.Find(new("ns", "b"))!.Metadata.Name);
        Assert.Null(store.Find(new("other", "b")));
        Assert.Equal(["a", "b"], store.ByOwner("o1").Select(item => item.Metadata.Name).Order());
        Assert.Equal(["b"], store.ByLabel("y").Select(item => item.Metadata.Name));
        store.Set(Of("b", "2", owner: "o2"));
        Assert.Equal(["a"], store.ByOwner("o1").Select(item => item.Metadata.Name));
        Assert.Empty(store.ByLabel("y"));
        store.Remove(new("ns", "b"));
        Assert.Empty(store.ByOwner("o2"));
        Assert.Equal((2, 2), (store.Count, store.All.Count));
    }

    [Fact]
    public void A_label_is_looked_up_only_if_it_was_asked_for() =>
        Assert.Throws<InvalidOperationException>(() => new ObjectStore<ConfigMap>().ByLabel("x"));

    [Fact]
    public void A_replacement_tells_what_came_changed_and_went()
    {
        var store = new ObjectStore<ConfigMap>();
        store.Replace([Of("same"), Of("changed"), Of("gone"), Of("reborn", uid: "u1")]);
        var changes = store.Replace([Of("same"), Of("changed", "2"), Of("new"), Of("reborn", uid: "u2")]);
        Assert.Equal(
            ["changed:1>2", "gone:1>", "new:>1", "reborn:1>", "reborn:>1"],
            changes.Select(change => $"{change.Key.Name}:{change.Old?.Metadata.ResourceVersion}>{change.New?.Metadata.ResourceVersion}").Order(StringComparer.Ordinal));
        var reborn = changes.Where(change => change.Key.Name == "reborn").ToList();
        Assert.Null(reborn[0].New);
        Assert.Null(reborn[1].Old);
    }

    [Fact]
    public async Task A_reader_never_sees_half_a_replacement()
    {
        var store = new ObjectStore<ConfigMap>();
        List<ConfigMap> Generation(string version) => [.. Enumerable.Range(0, 100).Select(i => Of($"o{i}", version, owner: "o"))];
        store.Replace(Generation("0"));
        var torn = 0;
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                if (store.All.Select(item => item.Metadata.ResourceVersion).Distinct(StringComparer.Ordinal).Count() != 1 || store.ByOwner("o").Count != 100)
                    Interlocked.Increment(ref torn);
            }
        });
        for (var version = 1; version < 300; version++)
            store.Replace(Generation($"{version}"));
        await stop.CancelAsync();
        await reader;
        Assert.Equal(0, torn);
    }

    /// <summary>However a store came to its contents, its indexes are those of a store made from the contents.</summary>
    [Fact]
    public void Indexes_follow_every_sequence_of_changes()
    {
        var steps = Gen.Choose(0, 5).Zip(Gen.Choose(-1, 3)).ListOf().ToArbitrary();
        Prop.ForAll(steps, sequence =>
        {
            var store = new ObjectStore<ConfigMap>("stack");
            foreach (var (name, owner) in sequence)
            {
                if (owner < 0)
                    store.Remove(new("ns", $"{name}"));
                else
                    store.Set(Of($"{name}", owner: $"{owner}", label: $"{owner % 2}"));
            }

            var fresh = new ObjectStore<ConfigMap>("stack");
            fresh.Replace([.. store.All]);
            static IEnumerable<string?> Names(IReadOnlyList<ConfigMap> items) => items.Select(item => item.Metadata.Name).Order(StringComparer.Ordinal);
            return Enumerable.Range(0, 4).All(owner => Names(store.ByOwner($"{owner}")).SequenceEqual(Names(fresh.ByOwner($"{owner}"))))
                && Enumerable.Range(0, 2).All(label => Names(store.ByLabel($"{label}")).SequenceEqual(Names(fresh.ByLabel($"{label}"))));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }
}
