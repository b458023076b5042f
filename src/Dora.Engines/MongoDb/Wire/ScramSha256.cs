using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Dora.Engines.MongoDb.Wire;

/// <summary>
/// The client's side of one SCRAM-SHA-256 exchange (RFC 5802, RFC 7677), without channel binding, as MongoDB speaks it
/// (MongoDB specifications, "auth"). The server proves that it knows the password too.
/// </summary>
internal sealed class ScramSha256
{
    /// <summary>RFC 7677 asks for at least this many.</summary>
    public const int LeastIterations = 4096;

    /// <summary>The server's default is 15,000. A server that asks for very many would keep the operator busy.</summary>
    public const int MostIterations = 200_000;

    private const int LongestServerNonce = 512;
    private const int KeysKept = 1024;

    // Deriving a key takes milliseconds on purpose; probes come every few seconds. Kept under a hash, not under the password.
    private static readonly ConcurrentDictionary<string, byte[]> Derived = new(StringComparer.Ordinal);

    private readonly string _password;
    private readonly string _nonce;
    private readonly string _clientFirstBare;
    private byte[]? _serverSignature;

    /// <summary>Starts an exchange.</summary>
    /// <exception cref="ArgumentException">The password holds something else than printable ASCII: that would need SASLprep.</exception>
    public ScramSha256(string user, string password, string nonce)
    {
        if (password.Length == 0 || password.Any(character => character is < ' ' or > '~'))
            throw new ArgumentException("a password must be printable ASCII", nameof(password));
        _password = password;
        _nonce = nonce;
        _clientFirstBare = $"n={user.Replace("=", "=3D", StringComparison.Ordinal).Replace(",", "=2C", StringComparison.Ordinal)},r={nonce}";
    }

    /// <summary>18 random bytes as text. A nonce is seen by everybody and kept by nobody.</summary>
    public static string Nonce()
    {
        Span<byte> bytes = stackalloc byte[18];
#pragma warning disable RS0030 // The ban is about secrets and rendering: RFC 5802 asks for a random nonce in each exchange.
        RandomNumberGenerator.Fill(bytes);
#pragma warning restore RS0030
        return Convert.ToBase64String(bytes);
    }

    /// <summary>The first message: who, and the nonce.</summary>
    public byte[] First() => Encoding.UTF8.GetBytes("n,," + _clientFirstBare);

    /// <summary>The second message: the proof, from the server's salt.</summary>
    /// <exception cref="InvalidDataException">The server's message is not SCRAM, or asks for what is not allowed.</exception>
    public byte[] Final(ReadOnlySpan<byte> serverFirst)
    {
        var text = Encoding.UTF8.GetString(serverFirst);
        var (nonce, salt, iterations) = Parse(text);
        var salted = Salted(_password, salt, iterations);
        var withoutProof = $"c=biws,r={nonce}";
        var message = Encoding.UTF8.GetBytes($"{_clientFirstBare},{text},{withoutProof}");
        var proof = HMACSHA256.HashData(salted, "Client Key"u8);
        var signature = HMACSHA256.HashData(SHA256.HashData(proof), message);
        for (var i = 0; i < proof.Length; i++)
            proof[i] ^= signature[i];
        _serverSignature = HMACSHA256.HashData(HMACSHA256.HashData(salted, "Server Key"u8), message);
        return Encoding.UTF8.GetBytes($"{withoutProof},p={Convert.ToBase64String(proof)}");
    }

    /// <summary>Checks the server's proof.</summary>
    /// <exception cref="InvalidDataException">It does not know the password: it is not the server that it claims to be.</exception>
    public void Verify(ReadOnlySpan<byte> serverFinal)
    {
        var fields = Encoding.UTF8.GetString(serverFinal).Split(',');
        var sent = fields[0].StartsWith("v=", StringComparison.Ordinal) ? Base64(fields[0][2..]) : null;
        if (_serverSignature is null || sent is null || !CryptographicOperations.FixedTimeEquals(sent, _serverSignature))
            throw new InvalidDataException("the server does not prove that it knows the password");
    }

    private (string Nonce, byte[] Salt, int Iterations) Parse(string serverFirst)
    {
        var fields = serverFirst.Split(',');
        var nonce = Field(fields, 0, "r=");
        if (nonce.Length <= _nonce.Length || nonce.Length > LongestServerNonce || !nonce.StartsWith(_nonce, StringComparison.Ordinal))
            throw new InvalidDataException("the server's nonce does not continue ours");
        var salt = Base64(Field(fields, 1, "s="));
        if (salt is not { Length: > 0 and <= 1024 })
            throw new InvalidDataException("the server's salt is not possible");
        if (!int.TryParse(Field(fields, 2, "i="), NumberStyles.None, CultureInfo.InvariantCulture, out var iterations) || iterations is < LeastIterations or > MostIterations)
            throw new InvalidDataException($"the server asks for fewer than {LeastIterations} or more than {MostIterations} iterations");
        return (nonce, salt, iterations);
    }

    private static string Field(string[] fields, int index, string prefix) =>
        index < fields.Length && fields[index].StartsWith(prefix, StringComparison.Ordinal)
            ? fields[index][prefix.Length..]
            : throw new InvalidDataException("the server's message is not SCRAM");

    private static byte[]? Base64(string text)
    {
        var bytes = new byte[(text.Length / 4 * 3) + 3];
        return Convert.TryFromBase64String(text, bytes, out var written) ? bytes[..written] : null;
    }

    /// <summary>Whether a server that keeps this of a user takes this password (RFC 5802, StoredKey). What no server would keep says nothing: true.</summary>
    public static bool Fits(string password, string? salt, long? iterations, string? storedKey) =>
        Base64(salt ?? "") is not { Length: > 0 } salted || iterations is not (>= LeastIterations and <= MostIterations) || Base64(storedKey ?? "") is not { Length: > 0 } stored
        || CryptographicOperations.FixedTimeEquals(stored, SHA256.HashData(HMACSHA256.HashData(Salted(password, salted, (int)iterations), "Client Key"u8)));

    private static byte[] Salted(string password, byte[] salt, int iterations)
    {
        var secret = Encoding.UTF8.GetBytes(password);
        var key = Convert.ToHexString(HMACSHA256.HashData(secret, (byte[])[.. salt, .. BitConverter.GetBytes(iterations)]));
        if (Derived.TryGetValue(key, out var kept))
            return kept;
        var salted = Rfc2898DeriveBytes.Pbkdf2(secret, salt, iterations, HashAlgorithmName.SHA256, 32);
        if (Derived.Count >= KeysKept)
            Derived.Clear();
        return Derived[key] = salted;
    }
}
