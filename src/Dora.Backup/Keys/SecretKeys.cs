using System.Security.Cryptography;
using System.Text;

namespace Dora.Backup.Keys;

/// <summary>
/// Keys of a Secret: each 32 bytes, raw or in base64, under any name. <c>current</c> seals new data keys; all open old ones, so that a key
/// is replaced by moving it to another name. Sealed by AES key wrap with padding (RFC 5649).
/// </summary>
public sealed class SecretKeys : IKeyWrap
{
    /// <summary>Name of the key that seals.</summary>
    public const string Current = "current";

    private const string Kind = "secret";

    private readonly Dictionary<string, byte[]> _keys;
    private readonly string _current;

    /// <param name="keys">By name.</param>
    /// <exception cref="ArgumentException">One is no key of 32 bytes, or there is none named <see cref="Current"/>.</exception>
    public SecretKeys(IReadOnlyDictionary<string, byte[]> keys)
    {
        ArgumentNullException.ThrowIfNull(keys);
        if (!keys.ContainsKey(Current))
            throw new ArgumentException($"the Secret of the encryption key has no key '{Current}': put 32 random bytes there, e.g. by: openssl rand -base64 32", nameof(keys));
        _keys = new(StringComparer.Ordinal);
        foreach (var (name, value) in keys)
        {
            var key = Decode(name, value);
            _keys[IdOf(key)] = key;
        }

        _current = IdOf(Decode(Current, keys[Current]));
    }

    /// <summary>The keys in the files of a folder, as a Secret is mounted.</summary>
    public static SecretKeys Read(string folder) =>
        new(Directory.EnumerateFiles(folder).ToDictionary(file => Path.GetFileName(file), File.ReadAllBytes, StringComparer.Ordinal));

    /// <inheritdoc/>
    public Task<(byte[] Key, WrappedKey Wrapped)> CreateAsync(CancellationToken cancellationToken)
    {
        var key = RandomNumberGenerator.GetBytes(32);
        using var aes = Aes.Create();
        aes.SetKey(_keys[_current]);
        return Task.FromResult((key, new WrappedKey(Kind, _current, Convert.ToBase64String(aes.EncryptKeyWrapPadded(key)))));
    }

    /// <inheritdoc/>
    public Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        if (wrapped.Kind != Kind)
            throw new KeyRefusedException($"the data key was sealed by '{wrapped.Kind}', and a Secret's keys are given");
        if (!_keys.TryGetValue(wrapped.Id, out var key))
            throw new KeyRefusedException($"the data key was sealed by key {wrapped.Id}, which the Secret does not hold; it holds {string.Join(", ", _keys.Keys.Order(StringComparer.Ordinal))}: put the old key back under another name");
        try
        {
            var plain = Open(key, Convert.FromBase64String(wrapped.Text));
            return plain.Length == 32 ? Task.FromResult(plain) : throw new KeyRefusedException($"the data key that key {wrapped.Id} sealed has the wrong length");
        }
        catch (Exception exception) when (exception is CryptographicException or FormatException or ArgumentException)
        {
            throw new KeyRefusedException($"the data key that key {wrapped.Id} sealed was changed", exception);
        }
    }

    private static byte[] Open(byte[] key, byte[] wrapped)
    {
        using var aes = Aes.Create();
        aes.SetKey(key);
        return aes.DecryptKeyWrapPadded(wrapped);
    }

    private static byte[] Decode(string name, byte[] value)
    {
        if (value.Length == 32)
            return value;
        var key = new byte[32];
        return Convert.TryFromBase64String(Encoding.ASCII.GetString(value).Trim(), key, out var count) && count == 32
            ? key
            : throw new ArgumentException($"key '{name}' of the Secret is not 32 bytes, nor their base64: make one by: openssl rand -base64 32", nameof(value));
    }

    // Tells the key from others and nothing else of it.
    private static string IdOf(byte[] key) => Convert.ToHexStringLower(HMACSHA256.HashData(key, "dora-operator.io backup key"u8))[..16];
}
