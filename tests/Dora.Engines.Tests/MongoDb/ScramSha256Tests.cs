using System.Text;
using Dora.Engines.MongoDb.Wire;

namespace Dora.Engines.Tests.MongoDb;

public sealed class ScramSha256Tests
{
    // The example of RFC 7677, chapter 3.
    private const string Nonce = "rOprNGfwEbeRWgbNEkqO";
    private const string ServerFirst = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    private const string ClientFinal = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    private const string ServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    [Fact]
    public void The_exchange_is_that_of_the_RFC()
    {
        var scram = new ScramSha256("user", "pencil", Nonce);
        Assert.Equal($"n,,n=user,r={Nonce}", Encoding.UTF8.GetString(scram.First()));
        Assert.Equal(ClientFinal, Encoding.UTF8.GetString(scram.Final(Encoding.UTF8.GetBytes(ServerFirst))));
        scram.Verify(Encoding.UTF8.GetBytes(ServerFinal));
    }

    [Theory]
    [InlineData("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")]
    [InlineData("v=AAAA")]
    [InlineData("v=")]
    [InlineData("v=???")]
    [InlineData("e=other-error")]
    [InlineData("")]
    public void A_server_that_does_not_prove_the_password_is_refused(string serverFinal)
    {
        var scram = new ScramSha256("user", "pencil", Nonce);
        scram.Final(Encoding.UTF8.GetBytes(ServerFirst));
        Assert.Throws<InvalidDataException>(() => scram.Verify(Encoding.UTF8.GetBytes(serverFinal)));
    }

    [Fact]
    public void A_proof_before_its_question_proves_nothing() =>
        Assert.Throws<InvalidDataException>(() => new ScramSha256("user", "pencil", Nonce).Verify(Encoding.UTF8.GetBytes(ServerFinal)));

    [Theory]
    [InlineData("r=another,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483647")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096")]
    [InlineData("r=rOprNGfwEbeRWgbNEkqOx,s=*,i=4096")]
    [InlineData("m=ext,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")]
    [InlineData("")]
    public void A_first_message_that_is_not_allowed_is_refused(string serverFirst) =>
        Assert.Throws<InvalidDataException>(() => new ScramSha256("user", "pencil", Nonce).Final(Encoding.UTF8.GetBytes(serverFirst)));

    [Fact]
    public void Names_are_escaped() =>
        Assert.Equal("n,,n=a=3Db=2Cc,r=x", Encoding.UTF8.GetString(new ScramSha256("a=b,c", "pencil", "x").First()));

    [Theory]
    [InlineData("")]
    [InlineData("pässword")]
    [InlineData("a\nb")]
    public void A_password_that_would_need_preparation_is_refused_without_being_told(string password)
    {
        var exception = Assert.Throws<ArgumentException>(() => new ScramSha256("user", password, Nonce));
        Assert.True(password.Length == 0 || !exception.Message.Contains(password, StringComparison.Ordinal));
    }

    [Fact]
    public void Nonces_differ() => Assert.NotEqual(ScramSha256.Nonce(), ScramSha256.Nonce());

    [Theory]
    [InlineData("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", true)]
    [InlineData("pencils", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", false)]
    [InlineData("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4097, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", false)]
    [InlineData("pencil", null, 4096, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", true)]
    [InlineData("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", null, "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", true)]
    [InlineData("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, "", true)]
    public void A_password_is_compared_with_what_a_server_keeps_of_it(string password, string? salt, int? iterations, string? stored, bool fits) =>
        Assert.Equal(fits, ScramSha256.Fits(password, salt, iterations, stored));
}
