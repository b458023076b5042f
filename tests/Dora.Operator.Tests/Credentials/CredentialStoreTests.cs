using Dora.Engines;
using Dora.Operator.Credentials;

namespace Dora.Operator.Tests.Credentials;

public sealed class CredentialStoreTests
{
    [Fact]
    public void Passwords_are_32_random_characters_and_what_is_derived_from_them_fits()
    {
        var request = new CredentialRequest("s", [new("uri", "postgresql://app:{password}@host/app"), new("password"), new("username", "app")]);
        var one = CredentialStore.Generate(request);
        Assert.Matches("^[A-Za-z0-9]{32}$", one["password"]);
        Assert.Equal($"postgresql://app:{one["password"]}@host/app", one["uri"]);
        Assert.Equal("app", one["username"]);
        Assert.NotEqual(one["password"], CredentialStore.Generate(request)["password"]);
    }
}
