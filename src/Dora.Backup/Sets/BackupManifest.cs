using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Keys;
using Dora.Backup.Store;
using Dora.Backup.Streams;

namespace Dora.Backup.Sets;

/// <summary>Whose data a backup holds.</summary>
/// <param name="Namespace">Namespace of the stack.</param>
/// <param name="Stack">Name of the stack.</param>
/// <param name="Uid">UID of the stack.</param>
/// <param name="Engine">The engine.</param>
/// <param name="EngineVersion">Its version, as the stack names it.</param>
public sealed record BackupOrigin(string Namespace, string Stack, string Uid, string Engine, string EngineVersion);

/// <summary>
/// What a backup is. It is written when all else is stored, so where there is none, there is no backup. The file has two lines: this record
/// as JSON, and a seal over the bytes of that line (HMAC-SHA256 with a key that follows from the data key): who can write to the bucket and
/// does not have the key can make no manifest that is believed.
/// </summary>
/// <param name="Format">1.</param>
/// <param name="Id">ID of the backup.</param>
/// <param name="Origin">Whose data.</param>
/// <param name="Content">What form the data has, e.g. <c>redis-rdb</c>.</param>
/// <param name="StartedAt">When the run began.</param>
/// <param name="FinishedAt">When all data was stored.</param>
/// <param name="Key">The data key, wrapped.</param>
/// <param name="Plain">The data as the engine gave it; nothing, where the engine's tool stored it by itself.</param>
/// <param name="Objects">The data as it is stored, in its order; none, where the engine's tool stored it by itself.</param>
/// <param name="Facts">What the engine says of it: position in its log, counts. By name.</param>
public sealed record BackupManifest(
    int Format,
    string Id,
    BackupOrigin Origin,
    string Content,
    DateTimeOffset StartedAt,
    DateTimeOffset FinishedAt,
    WrappedKey Key,
    ContentDigest Plain,
    IReadOnlyList<StoredObject> Objects,
    IReadOnlyDictionary<string, string> Facts)
{
    /// <summary>The format that this version writes.</summary>
    public const int CurrentFormat = 1;

    /// <summary>Longest manifest in bytes; one of 16 TiB has 64 KiB.</summary>
    public const int LongestBytes = 4 * 1024 * 1024;

    /// <summary>Where it is.</summary>
    [JsonIgnore]
    public BackupPlace Place => new(Origin.Namespace, Origin.Stack, Origin.Engine, Id);

    /// <summary>Whether the engine's tool stored the data by itself, and only what is known of it is here.</summary>
    [JsonIgnore]
    public bool Recorded => Objects.Count == 0;

    /// <summary>What the header of its stream says it is.</summary>
    [JsonIgnore]
    public string Subject => SubjectOf(Origin, Id);

    /// <summary>What the header of a backup's stream says it is.</summary>
    public static string SubjectOf(BackupOrigin origin, string id)
    {
        ArgumentNullException.ThrowIfNull(origin);
        return $"{origin.Uid}/{origin.Engine}/{id}";
    }

    /// <summary>The file, sealed.</summary>
    public byte[] Write(ReadOnlySpan<byte> dataKey)
    {
        var line = JsonSerializer.SerializeToUtf8Bytes(this, ManifestJson.Default.BackupManifest);
        return [.. line, (byte)'\n', .. JsonSerializer.SerializeToUtf8Bytes(new ManifestSeal(Seal(dataKey, line)), ManifestJson.Default.ManifestSeal), (byte)'\n'];
    }

    /// <summary>What a file says, without asking for a key: to be shown, not to be restored from.</summary>
    /// <exception cref="SealBrokenException">It is no manifest, or one of a newer version.</exception>
    public static BackupManifest Peek(ReadOnlySpan<byte> file) => Parse(Lines(file).Line);

    /// <summary>Reads a file, and checks its seal with the data key that it names.</summary>
    /// <exception cref="SealBrokenException">It is no manifest, was changed, or is one of a newer version.</exception>
    /// <exception cref="KeyRefusedException">Its data key does not open.</exception>
    public static async Task<BackupManifest> ReadAsync(byte[] file, IKeyWrap keys, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(keys);
        var manifest = Peek(file);
        var dataKey = await keys.UnwrapAsync(manifest.Key, cancellationToken).ConfigureAwait(false);
        Check(file, dataKey);
        return manifest;
    }

    private static void Check(ReadOnlySpan<byte> file, byte[] dataKey)
    {
        var (line, seal) = Lines(file);
        var right = Encoding.ASCII.GetBytes(Seal(dataKey, line));
        CryptographicOperations.ZeroMemory(dataKey);
        if (!CryptographicOperations.FixedTimeEquals(right, Encoding.ASCII.GetBytes(ParseSeal(seal).Hmac)))
            throw new SealBrokenException("its manifest was changed");
    }

    private static string Seal(ReadOnlySpan<byte> dataKey, ReadOnlySpan<byte> line)
    {
        Span<byte> key = stackalloc byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, dataKey, key, [], "dora-operator.io backup manifest"u8);
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, line));
    }

    private static LinePair Lines(ReadOnlySpan<byte> file)
    {
        var end = file.IndexOf((byte)'\n');
        return end > 0 ? new(file[..end], file[(end + 1)..]) : throw new SealBrokenException("its manifest is cut");
    }

    private static BackupManifest Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            // A newer format may have other members: it is named before it is judged.
            var format = JsonSerializer.Deserialize(line, ManifestJson.Default.ManifestFormat)?.Format;
            if (format != CurrentFormat)
                throw new SealBrokenException($"its manifest has format {format}, and this version knows {CurrentFormat}: use the version that wrote it, or a newer one");
            var manifest = JsonSerializer.Deserialize(line, ManifestJson.Default.BackupManifest)!;
            return (!manifest.Recorded || manifest.Plain == ContentDigest.Nothing) && manifest.Objects.All(stored => stored.Bytes >= 0 && stored.Name.StartsWith(manifest.Place.Folder, StringComparison.Ordinal))
                ? manifest
                : throw new SealBrokenException("its manifest names objects that are not its own");
        }
        catch (JsonException exception)
        {
            throw new SealBrokenException("its manifest cannot be read", exception);
        }
    }

    private static ManifestSeal ParseSeal(ReadOnlySpan<byte> line)
    {
        try
        {
            return JsonSerializer.Deserialize(line, ManifestJson.Default.ManifestSeal) ?? throw new SealBrokenException("its manifest has no seal");
        }
        catch (JsonException exception)
        {
            throw new SealBrokenException("the seal of its manifest cannot be read", exception);
        }
    }

    private readonly ref struct LinePair(ReadOnlySpan<byte> line, ReadOnlySpan<byte> seal)
    {
        public ReadOnlySpan<byte> Line { get; } = line;

        private ReadOnlySpan<byte> SealLine { get; } = seal;

        public void Deconstruct(out ReadOnlySpan<byte> line, out ReadOnlySpan<byte> seal)
        {
            line = Line;
            seal = SealLine;
        }
    }
}

/// <summary>The second line of a manifest's file.</summary>
/// <param name="Hmac">Lower case hex.</param>
internal sealed record ManifestSeal(string Hmac);

/// <summary>What every manifest says, of whatever format.</summary>
/// <param name="Format">Its format.</param>
internal sealed record ManifestFormat(int Format);

/// <summary>Says that a backup was once read whole.</summary>
/// <param name="VerifiedAt">When.</param>
internal sealed record VerifiedNote(DateTimeOffset VerifiedAt);

/// <summary>The contract of manifests.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(BackupManifest))]
[JsonSerializable(typeof(ManifestSeal))]
[JsonSerializable(typeof(VerifiedNote))]
[JsonSerializable(typeof(ManifestFormat))]
internal sealed partial class ManifestJson : JsonSerializerContext;
