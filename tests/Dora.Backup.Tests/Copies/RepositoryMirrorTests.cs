using Dora.Backup.Copies;
using Dora.Backup.Store;

namespace Dora.Backup.Tests.Copies;

public sealed class RepositoryMirrorTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 3, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("a b c", "", "a b c")]
    [InlineData("a b c", "a b c", "")]
    [InlineData("a c e", "b d f", "a c e")]
    [InlineData("b d", "a b c d e", "")]
    [InlineData("a b c d", "b d", "a c")]
    [InlineData("", "a", "")]
    [InlineData("a a/b a0 aB ab", "a a/b aB", "a0 ab")]
    public async Task What_the_other_place_lacks_is_sent_and_what_only_it_has_is_left_alone(string wanted, string there, string lacking) =>
        Assert.Equal(lacking, await NamesAsync(List(wanted), List(there)));

    [Fact]
    public async Task What_changed_since_it_was_sent_is_sent_again()
    {
        Assert.Equal("a", await NamesAsync([new("a", 5, Now)], [new("a", 4, Now)]));
        Assert.Equal("a", await NamesAsync([new("a", 5, Now.AddSeconds(1))], [new("a", 5, Now)]));
        Assert.Equal("", await NamesAsync([new("a", 5, Now)], [new("a", 5, Now.AddSeconds(1))]));
    }

    [Fact]
    public async Task Of_many_none_is_lost()
    {
        var random = new Random(4);
        var all = Enumerable.Range(0, 20_000).Select(number => new ListedObject($"{number:D6}", 1, Now)).ToList();
        var there = all.Where(_ => random.Next(3) > 0).ToList();

        Assert.Equal(string.Join(' ', all.Except(there).Select(stored => stored.Name)), await NamesAsync(all, there));
    }

    private static List<ListedObject> List(string names) => [.. names.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(name => new ListedObject(name, 1, Now))];

    private static async Task<string> NamesAsync(IEnumerable<ListedObject> wanted, IEnumerable<ListedObject> there) =>
        string.Join(' ', await RepositoryMirror.LackingAsync(wanted.ToAsyncEnumerable(), there.ToAsyncEnumerable()).Select(stored => stored.Name).ToListAsync(TestContext.Current.CancellationToken));
}
