using System.Security.Cryptography;
using System.Text;
using Dora.Backup.Keys;
using Dora.Backup.Sets;
using Dora.Vault;

namespace Dora.Agent.Backups;

/// <summary>
/// Data keys of one backup, wrapped by a key that never leaves Vault. A wrapped key is bound to the backup's place: beside another backup it opens
/// nothing. Who only writes backups needs no right to decrypt.
/// </summary>
/// <param name="transit">The engine that holds the key.</param>
/// <param name="key">Its name.</param>
/// <param name="place">Of the backup.</param>
internal sealed class TransitWrap(TransitKeys transit, string key, BackupPlace place) : IKeyWrap
{
    private const string Kind = "vault";
    private const int KeyBytes = 32;

    private byte[] Bound => Encoding.UTF8.GetBytes($"dora-operator.io backup {place.Folder}");

    /// <inheritdoc/>
    public async Task<(byte[] Key, WrappedKey Wrapped)> CreateAsync(CancellationToken cancellationToken)
    {
        var dataKey = RandomNumberGenerator.GetBytes(KeyBytes);
        var text = await AskAsync("seals nothing", () => transit.EncryptAsync(key, dataKey, Bound, cancellationToken)).ConfigureAwait(false);
        return (dataKey, new(Kind, IdOf(text), text));
    }

    /// <inheritdoc/>
    public async Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(wrapped);
        if (wrapped.Kind != Kind)
            throw new KeyRefusedException($"the data key was sealed by key {wrapped.Id} of a '{wrapped.Kind}', and a key of Vault is given: give the Secret that holds it");
        if (wrapped.Id != IdOf(wrapped.Text))
            throw new KeyRefusedException($"the data key was sealed by Vault's key {wrapped.Id}, and {key} is given: give that one");
        var opened = await AskAsync("does not open the data key", () => transit.DecryptAsync(key, wrapped.Text, Bound, cancellationToken)).ConfigureAwait(false);
        return opened.Length == KeyBytes ? opened : throw new KeyRefusedException($"the data key that Vault's key {wrapped.Id} sealed has the wrong length");
    }

    // The key's name with the version of it that Vault put into the text: vault:v3:...
    private string IdOf(string text) => text.Split(':') is ["vault", var version, ..] ? $"{key}:{version}" : key;

    private static string Advice(VaultException exception) => exception switch
    {
        // Vault says the same of a key that does not exist, to who may not make it.
        VaultForbiddenException { Login: false } => "; see also that the key exists",
        { HttpCode: 400 } => "; was the key made anew, the wrapped key changed, or brought here from another backup?",
        _ => "",
    };

    private async Task<T> AskAsync<T>(string what, Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (VaultException exception)
        {
            throw new KeyRefusedException($"Vault's key {key} {what}: {exception.Message}{Advice(exception)}", exception);
        }
    }
}
