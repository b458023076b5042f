using System.Text.Json;
using System.Text.Json.Serialization;
using Dora.Backup.Keeping;
using Dora.Backup.Sets;
using Dora.Backup.Store;

namespace Dora.Agent.Backups;

/// <summary>What a run is to do, as the operator wrote it into a file. It holds no secret.</summary>
/// <param name="Store">Where backups are.</param>
/// <param name="Id">ID of the backup.</param>
/// <param name="Origin">Whose data.</param>
/// <param name="Content">What form the data has.</param>
/// <param name="Facts">What is known of it before it begins.</param>
/// <param name="Keep">Which backups stay, of a run that removes others.</param>
/// <param name="TimeZone">Where days begin, as the tz database names it.</param>
internal sealed record RunOrder(StoreLocation Store, string Id, BackupOrigin Origin, string Content, IReadOnlyDictionary<string, string>? Facts = null, KeepRules? Keep = null, string TimeZone = "UTC")
{
    /// <summary>The backup's place.</summary>
    [JsonIgnore]
    public BackupPlace Place => new(Origin.Namespace, Origin.Stack, Origin.Engine, Id);

    /// <summary>Reads an order.</summary>
    /// <exception cref="BadOrderException">It is none.</exception>
    public static RunOrder Read(string path)
    {
        try
        {
            var order = JsonSerializer.Deserialize(File.ReadAllBytes(path), AgentJson.Default.RunOrder) ?? throw new BadOrderException($"{path} is empty");
            if (!order.Store.Endpoint.IsAbsoluteUri || order.Store.Endpoint.Scheme is not ("https" or "http"))
                throw new BadOrderException($"{path}: store.endpoint '{order.Store.Endpoint}' is no address: give scheme and host, such as https://s3.example");
            return order;
        }
        catch (Exception exception) when (exception is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new BadOrderException($"{path} cannot be read: {exception.Message}", exception);
        }
    }
}

/// <summary>What the agent was given cannot be worked with.</summary>
internal sealed class BadOrderException(string message, Exception? inner = null) : Exception(message, inner);
