using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Keeping;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Backup.Runs;

/// <summary>What a run is to do, as the operator wrote it into a file. It holds no secret.</summary>
/// <param name="Store">Where backups are.</param>
/// <param name="Id">ID of the backup.</param>
/// <param name="Origin">Whose data.</param>
/// <param name="Content">What form the data has.</param>
/// <param name="Facts">What is known of it before it begins.</param>
/// <param name="Keep">Which backups stay, of a run that removes others.</param>
/// <param name="TimeZone">Where days begin, as the tz database names it.</param>
/// <param name="Transit">The key of Vault that wraps data keys; null: keys of a Secret do.</param>
/// <param name="Checks">Names of the questions that a drill asks: each must be answered as expected.</param>
/// <param name="Copy">Where else the backup is to be, of a run that copies it.</param>
/// <param name="Adopt">UID of the stack whose folder this one may take over, or null.</param>
/// <param name="Find">Of a run that looks for backups: what is known already.</param>
/// <param name="Claims">Of a run that only reads: whether the folder must be this stack's all the same, because its servers write there next.</param>
public sealed record RunOrder(
    StoreLocation Store,
    string Id,
    BackupOrigin Origin,
    string Content,
    IReadOnlyDictionary<string, string>? Facts = null,
    KeepRules? Keep = null,
    string TimeZone = "UTC",
    TransitOrder? Transit = null,
    IReadOnlyList<string>? Checks = null,
    CopyOrder? Copy = null,
    string? Adopt = null,
    FindOrder? Find = null,
    bool Claims = false)
{
    /// <summary>The backup's place.</summary>
    [JsonIgnore]
    public BackupPlace Place => new(Origin.Namespace, Origin.Stack, Origin.Engine, Id);

    /// <summary>The file.</summary>
    public string Write() => JsonSerializer.Serialize(this, RunJson.Default.RunOrder);

    /// <summary>Reads a file.</summary>
    /// <exception cref="JsonException">It is no order.</exception>
    public static RunOrder Parse(ReadOnlySpan<byte> file)
    {
        var order = JsonSerializer.Deserialize(file, RunJson.Default.RunOrder) ?? throw new JsonException("the order is empty");
        Check("store", order.Store);
        if (order.Copy is { } copy)
            Check("copy.store", copy.Store);
        return order.Transit is { HasAddress: false } transit
            ? throw new JsonException($"transit.address '{transit.Address}' is no address: give scheme and host, such as https://vault.vault:8200")
            : order;
    }

    private static void Check(string path, StoreLocation store)
    {
        if (store.Endpoint is not { IsAbsoluteUri: true, Scheme: "https" or "http" })
            throw new JsonException($"{path}.endpoint '{store.Endpoint}' is no address: give scheme and host, such as https://s3.example");
    }
}

/// <summary>Where else a backup is to be.</summary>
/// <param name="Store">The other place.</param>
/// <param name="Manifest">SHA-256 of its manifest, as it was when the backup was made; null: nobody knows.</param>
public sealed record CopyOrder(StoreLocation Store, string? Manifest = null);

/// <summary>The contract of files between operator and agent.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(RunOrder))]
[JsonSerializable(typeof(RunReport))]
internal sealed partial class RunJson : JsonSerializerContext;
