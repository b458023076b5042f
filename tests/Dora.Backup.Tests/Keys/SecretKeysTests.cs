using System.Text;
using Dora.Backup.Keys;

namespace Dora.Backup.Tests.Keys;

public sealed class SecretKeysTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_data_key_opens_with_the_key_that_sealed_it()
    {
        var keys = TestKeys.Of(TestKeys.First);
        var (key, wrapped) = await keys.CreateAsync(Token);

        Assert.Equal(32, key.Length);
        Assert.Equal(key, await keys.UnwrapAsync(wrapped, Token));
        Assert.DoesNotContain(Convert.ToBase64String(key), wrapped.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_the_current_key_was_replaced_the_old_one_still_opens()
    {
        var (key, wrapped) = await TestKeys.Of(TestKeys.First).CreateAsync(Token);
        var replaced = TestKeys.Of(TestKeys.Second, ("until-2026", TestKeys.First));

        Assert.Equal(key, await replaced.UnwrapAsync(wrapped, Token));
        Assert.NotEqual(wrapped.Id, (await replaced.CreateAsync(Token)).Wrapped.Id);
    }

    [Fact]
    public async Task A_missing_key_is_named_by_its_id_and_no_key_is_in_the_message()
    {
        var (_, wrapped) = await TestKeys.Of(TestKeys.First).CreateAsync(Token);
        var exception = await Assert.ThrowsAsync<KeyRefusedException>(() => TestKeys.Of(TestKeys.Second).UnwrapAsync(wrapped, Token));

        Assert.Contains(wrapped.Id, exception.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToHexStringLower(TestKeys.First)[..12], exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sealed_key_that_was_changed_does_not_open()
    {
        var keys = TestKeys.Of(TestKeys.First);
        var (_, wrapped) = await keys.CreateAsync(Token);
        var bytes = Convert.FromBase64String(wrapped.Text);
        bytes[3] ^= 1;

        await Assert.ThrowsAsync<KeyRefusedException>(() => keys.UnwrapAsync(wrapped with { Text = Convert.ToBase64String(bytes) }, Token));
        await Assert.ThrowsAsync<KeyRefusedException>(() => keys.UnwrapAsync(wrapped with { Text = "%" }, Token));
        await Assert.ThrowsAsync<KeyRefusedException>(() => keys.UnwrapAsync(wrapped with { Text = "" }, Token));
        await Assert.ThrowsAsync<KeyRefusedException>(() => keys.UnwrapAsync(wrapped with { Kind = "vault" }, Token));
    }

    [Fact]
    public void Keys_may_be_base64_as_openssl_writes_them() =>
        Assert.NotNull(new SecretKeys(new Dictionary<string, byte[]> { ["current"] = Encoding.ASCII.GetBytes(Convert.ToBase64String(TestKeys.First) + "\n") }));

    [Theory]
    [InlineData("")]
    [InlineData("secret")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA==")]
    public void A_key_of_another_length_is_refused_with_how_to_make_one(string text)
    {
        var exception = Assert.Throws<ArgumentException>(() => new SecretKeys(new Dictionary<string, byte[]> { ["current"] = Encoding.ASCII.GetBytes(text) }));

        Assert.Contains("openssl rand -base64 32", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_a_current_key_nothing_begins() =>
        Assert.Contains("'current'", Assert.Throws<ArgumentException>(() => new SecretKeys(new Dictionary<string, byte[]> { ["old"] = TestKeys.First })).Message, StringComparison.Ordinal);
}
