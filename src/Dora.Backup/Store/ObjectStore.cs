using System.Collections.Concurrent;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;

namespace Dora.Backup.Store;

/// <summary>
/// An object store that speaks S3. What every such store understands is used and no more: plain bodies, checksums in headers, multipart
/// uploads. A request that finds no answer is tried again for about a minute and a half. Every error is a <see cref="StoreException"/>.
/// </summary>
public sealed class ObjectStore : IDisposable
{
    /// <summary>Bytes of a part, and of what is read at once.</summary>
    public const int PartBytes = 8 * 1024 * 1024;

    private readonly AmazonS3Client _client;
    private readonly TimeProvider _clock;

    /// <param name="location">Where.</param>
    /// <param name="credentials">Who asks.</param>
    /// <param name="authorities">Certificates, in PEM, of those who may sign the store's; null: those of the system.</param>
    /// <param name="clock">Ends of object locks count from it.</param>
    /// <param name="tries">How often a request is tried again.</param>
    public ObjectStore(StoreLocation location, StoreCredentials credentials, string? authorities, TimeProvider clock, int tries = 8)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(credentials);
        Location = location;
        _clock = clock;
        AWSCredentials signer = credentials.SessionToken is { } token
            ? new SessionAWSCredentials(credentials.AccessKeyId, credentials.SecretAccessKey, token)
            : new BasicAWSCredentials(credentials.AccessKeyId, credentials.SecretAccessKey);
        _client = new(signer, new AmazonS3Config
        {
            ServiceURL = location.Endpoint.ToString(),
            AuthenticationRegion = location.Region,
            ForcePathStyle = location.PathStyle,
            // By default the client adds a trailer that R2, older MinIO and Ceph do not understand.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
            RetryMode = RequestRetryMode.Standard,
            MaxErrorRetry = tries,
            Timeout = TimeSpan.FromMinutes(5),
            HttpClientFactory = new StoreConnections(authorities),
        });
    }

    /// <summary>Where it is.</summary>
    public StoreLocation Location { get; }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();

    /// <summary>Writes a small object.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="content">All of it.</param>
    /// <param name="cancellationToken">Stops writing.</param>
    /// <param name="replace">Whether one that exists may be replaced; if not, that is so where the store heeds <c>If-None-Match</c>.</param>
    public async Task<StoredObject> PutAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken, bool replace = false)
    {
        var sha = SHA256.HashData(content.Span);
        using var body = new MemoryStream(content.ToArray(), writable: false);
        var (mode, until) = Lock();
        var request = new PutObjectRequest
        {
            BucketName = Location.Bucket,
            Key = Location.Key(name),
            InputStream = body,
            AutoCloseStream = false,
            UseChunkEncoding = false,
            ChecksumSHA256 = Convert.ToBase64String(sha),
            IfNoneMatch = replace ? null : "*",
            StorageClass = Class,
        };
        if (mode is not null)
        {
            request.ObjectLockMode = mode;
            request.ObjectLockRetainUntilDate = until;
        }

        var answer = await AskAsync($"writing {name}", () => _client.PutObjectAsync(request, cancellationToken)).ConfigureAwait(false);
        return new(name, content.Length, Convert.ToHexStringLower(sha), Given(answer.VersionId));
    }

    /// <summary>Begins to write an object of any size; see <see cref="ObjectWriter"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="replace">As of <see cref="PutAsync"/>.</param>
    public ObjectWriter Write(string name, bool replace = false) => new(this, name, replace);

    /// <summary>Reads an object, going on where it was when the connection breaks.</summary>
    public Stream Read(StoredObject stored) => new ObjectReader(this, stored);

    /// <summary>Reads a small object whole.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="most">It is an error when it is longer.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    public async Task<byte[]> GetAsync(string name, int most, CancellationToken cancellationToken)
    {
        using var answer = await AskAsync($"reading {name}", () => _client.GetObjectAsync(new GetObjectRequest { BucketName = Location.Bucket, Key = Location.Key(name) }, cancellationToken)).ConfigureAwait(false);
        if (answer.ContentLength > most)
            throw new StoreException(StoreProblem.Refused, $"reading {name} at {Location}: it has {answer.ContentLength} bytes, and at most {most} are expected: it is not what we wrote");
        using var content = new MemoryStream((int)answer.ContentLength);
        await AskAsync($"reading {name}", async () =>
        {
            await answer.ResponseStream.CopyToAsync(content, cancellationToken).ConfigureAwait(false);
            return 0;
        }).ConfigureAwait(false);
        return content.Length == answer.ContentLength ? content.ToArray() : throw new StoreException(StoreProblem.Unreachable, $"reading {name} at {Location}: the answer broke off: try again");
    }

    /// <summary>Every object whose name begins so, in the order of their names.</summary>
    public async IAsyncEnumerable<ListedObject> ListAsync(string start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = Location.Bucket, Prefix = Location.Key(start) };
        do
        {
            var page = await AskAsync("listing", () => _client.ListObjectsV2Async(request, cancellationToken)).ConfigureAwait(false);
            foreach (var found in page.S3Objects ?? [])
                yield return new(Name(found.Key), found.Size ?? 0, new DateTimeOffset(found.LastModified ?? default, TimeSpan.Zero));
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (request.ContinuationToken is not null);
    }

    /// <summary>Folders in a folder whose names begin so, each with a slash at its end; what is in them is not looked at.</summary>
    public async IAsyncEnumerable<string> FoldersAsync(string start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = Location.Bucket, Prefix = Location.Key(start), Delimiter = "/" };
        do
        {
            var page = await AskAsync("listing", () => _client.ListObjectsV2Async(request, cancellationToken)).ConfigureAwait(false);
            foreach (var folder in page.CommonPrefixes ?? [])
                yield return Name(folder);
            request.ContinuationToken = page.IsTruncated == true ? page.NextContinuationToken : null;
        }
        while (request.ContinuationToken is not null);
    }

    /// <summary>Every version of every object whose name begins so, in the order of their names.</summary>
    public async IAsyncEnumerable<ObjectVersion> ListVersionsAsync(string start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListVersionsRequest { BucketName = Location.Bucket, Prefix = Location.Key(start) };
        bool more;
        do
        {
            var page = await AskAsync("listing", () => _client.ListVersionsAsync(request, cancellationToken)).ConfigureAwait(false);
            foreach (var found in page.Versions ?? [])
                yield return new(Name(found.Key), Given(found.VersionId), found.Size ?? 0, new DateTimeOffset(found.LastModified ?? default, TimeSpan.Zero), found.IsLatest == true, found.IsDeleteMarker == true);
            more = page.IsTruncated == true;
            (request.KeyMarker, request.VersionIdMarker) = (page.NextKeyMarker, page.NextVersionIdMarker);
        }
        while (more);
    }

    /// <summary>Removes an object, or one version of it.</summary>
    public Task DeleteAsync(string name, string? version, CancellationToken cancellationToken) =>
        AskAsync($"removing {name}", () => _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = Location.Bucket, Key = Location.Key(name), VersionId = version }, cancellationToken));

    /// <summary>Removes many versions, hundreds with one request; answers those that the store did not let go, each with its code.</summary>
    /// <exception cref="StoreException">The store does not answer, or refuses all of it.</exception>
    public async Task<IReadOnlyCollection<(ObjectVersion Stored, string Code)>> DeleteAllAsync(IReadOnlyCollection<ObjectVersion> versions, CancellationToken cancellationToken)
    {
        const int AtOnce = 4;
        // A store takes 1,000, and removes them one after the other.
        const int Most = 250;
        ArgumentNullException.ThrowIfNull(versions);
        var kept = new ConcurrentBag<(ObjectVersion, string)>();
        await Parallel.ForEachAsync(versions.Chunk(Most), new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellationToken }, async (chunk, token) =>
        {
            var request = new DeleteObjectsRequest { BucketName = Location.Bucket, Quiet = true, Objects = [.. chunk.Select(stored => new KeyVersion { Key = Location.Key(stored.Name), VersionId = stored.Version })] };
            var refused = await AskAsync($"removing {chunk.Length} objects", () => DeleteChunkAsync(request, token)).ConfigureAwait(false);
            foreach (var stored in chunk)
            {
                if (refused.TryGetValue((Location.Key(stored.Name), stored.Version), out var code))
                    kept.Add((stored, code));
            }
        }).ConfigureAwait(false);
        return kept;
    }

    /// <summary>Whether the bucket keeps what is written over.</summary>
    public async Task<bool> KeepsVersionsAsync(CancellationToken cancellationToken)
    {
        var answer = await AskAsync("reading the versioning of the bucket", () => _client.GetBucketVersioningAsync(new GetBucketVersioningRequest { BucketName = Location.Bucket }, cancellationToken)).ConfigureAwait(false);
        return answer.VersioningConfig?.Status == VersionStatus.Enabled;
    }

    /// <summary>Whether the bucket was made with object lock.</summary>
    public async Task<bool> HasObjectLockAsync(CancellationToken cancellationToken)
    {
        try
        {
            var answer = await AskAsync("reading the object lock of the bucket", () => _client.GetObjectLockConfigurationAsync(new GetObjectLockConfigurationRequest { BucketName = Location.Bucket }, cancellationToken)).ConfigureAwait(false);
            return answer.ObjectLockConfiguration?.ObjectLockEnabled == ObjectLockEnabled.Enabled;
        }
        catch (StoreException exception) when (IsNotLocked(exception))
        {
            return false;
        }
    }

    /// <summary>Until when the store keeps a version, as it says itself; null when it is not locked.</summary>
    public async Task<(bool Compliance, DateTimeOffset Until)?> LockOfAsync(StoredObject stored, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(stored);
        try
        {
            var answer = await AskAsync($"reading the lock of {stored.Name}", () => _client.GetObjectRetentionAsync(new GetObjectRetentionRequest { BucketName = Location.Bucket, Key = Location.Key(stored.Name), VersionId = stored.Version }, cancellationToken)).ConfigureAwait(false);
            return answer.Retention?.RetainUntilDate is { } until ? (answer.Retention.Mode == ObjectLockRetentionMode.Compliance, new DateTimeOffset(until.ToUniversalTime(), TimeSpan.Zero)) : null;
        }
        catch (StoreException exception) when (IsNotLocked(exception))
        {
            return null;
        }
    }

    internal async Task<string> BeginAsync(string name, CancellationToken cancellationToken)
    {
        var (mode, until) = Lock();
        var request = new InitiateMultipartUploadRequest { BucketName = Location.Bucket, Key = Location.Key(name), StorageClass = Class };
        if (mode is not null)
        {
            request.ObjectLockMode = mode;
            request.ObjectLockRetainUntilDate = until;
        }

        return (await AskAsync($"beginning {name}", () => _client.InitiateMultipartUploadAsync(request, cancellationToken)).ConfigureAwait(false)).UploadId;
    }

    internal async Task<PartETag> PartAsync(string name, string upload, int number, byte[] buffer, int count, CancellationToken cancellationToken)
    {
        using var body = new MemoryStream(buffer, 0, count, writable: false);
        var request = new UploadPartRequest
        {
            BucketName = Location.Bucket,
            Key = Location.Key(name),
            UploadId = upload,
            PartNumber = number,
            InputStream = body,
            PartSize = count,
            UseChunkEncoding = false,
            // Over TLS the checksum covers the body already; hashing it once more for the signature would only cost.
            DisablePayloadSigning = Location.Endpoint.Scheme == Uri.UriSchemeHttps,
            ChecksumSHA256 = Convert.ToBase64String(SHA256.HashData(buffer.AsSpan(0, count))),
        };
        var answer = await AskAsync($"writing part {number} of {name}", () => _client.UploadPartAsync(request, cancellationToken)).ConfigureAwait(false);
        return new(number, answer.ETag) { ChecksumSHA256 = answer.ChecksumSHA256 };
    }

    internal async Task<string?> EndAsync(string name, string upload, IEnumerable<PartETag> parts, bool replace, CancellationToken cancellationToken)
    {
        var request = new CompleteMultipartUploadRequest { BucketName = Location.Bucket, Key = Location.Key(name), UploadId = upload, PartETags = [.. parts.OrderBy(part => part.PartNumber)], IfNoneMatch = replace ? null : "*" };
        var version = Given((await AskAsync($"ending {name}", () => _client.CompleteMultipartUploadAsync(request, cancellationToken)).ConfigureAwait(false)).VersionId);
        await LockAsync(name, version, cancellationToken).ConfigureAwait(false);
        return version;
    }

    // Some stores (Ceph before 18) take the lock at the beginning of an upload, and forget it at its end.
    private async Task LockAsync(string name, string? version, CancellationToken cancellationToken)
    {
        if (Lock() is not ({ } mode, var until))
            return;
        var retention = new ObjectLockRetention { Mode = mode == ObjectLockMode.Compliance ? ObjectLockRetentionMode.Compliance : ObjectLockRetentionMode.Governance, RetainUntilDate = until };
        await AskAsync($"locking {name}", () => _client.PutObjectRetentionAsync(new PutObjectRetentionRequest { BucketName = Location.Bucket, Key = Location.Key(name), VersionId = version, Retention = retention }, cancellationToken)).ConfigureAwait(false);
    }

    internal Task AbortAsync(string name, string upload, CancellationToken cancellationToken) =>
        AskAsync($"giving up {name}", () => _client.AbortMultipartUploadAsync(new AbortMultipartUploadRequest { BucketName = Location.Bucket, Key = Location.Key(name), UploadId = upload }, cancellationToken));

    internal async Task<Stream> OpenAsync(StoredObject stored, long from, long to, CancellationToken cancellationToken)
    {
        var request = new GetObjectRequest { BucketName = Location.Bucket, Key = Location.Key(stored.Name), VersionId = stored.Version, ByteRange = new ByteRange(from, to) };
        var answer = await AskAsync($"reading {stored.Name}", () => _client.GetObjectAsync(request, cancellationToken)).ConfigureAwait(false);
        return answer.ResponseStream;
    }

    // What went well is not told; of what did not each element says why.
    private async Task<IReadOnlyDictionary<(string Key, string? Version), string>> DeleteChunkAsync(DeleteObjectsRequest request, CancellationToken cancellationToken)
    {
        try
        {
            await _client.DeleteObjectsAsync(request, cancellationToken).ConfigureAwait(false);
            return new Dictionary<(string, string?), string>();
        }
        catch (DeleteObjectsException exception)
        {
            return exception.Response.DeleteErrors.DistinctBy(error => (error.Key, Given(error.VersionId))).ToDictionary(error => (error.Key, Given(error.VersionId)), error => error.Code ?? "");
        }
        catch (AmazonS3Exception exception) when (exception.StatusCode is HttpStatusCode.BadRequest or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented)
        {
            // Not every store takes many at once, or the checksum that goes with them.
            return await DeleteEachAsync(request.Objects, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task<IReadOnlyDictionary<(string Key, string? Version), string>> DeleteEachAsync(IEnumerable<KeyVersion> objects, CancellationToken cancellationToken)
    {
        var refused = new Dictionary<(string, string?), string>();
        foreach (var stored in objects)
        {
            try
            {
                await _client.DeleteObjectAsync(new DeleteObjectRequest { BucketName = Location.Bucket, Key = stored.Key, VersionId = stored.VersionId }, cancellationToken).ConfigureAwait(false);
            }
            catch (AmazonS3Exception exception) when (exception.StatusCode == HttpStatusCode.Forbidden)
            {
                refused[(stored.Key, stored.VersionId)] = exception.ErrorCode;
            }
        }

        return refused;
    }

    private static bool IsNotLocked(StoreException exception) =>
        exception.InnerException is AmazonS3Exception { ErrorCode: "NoSuchObjectLockConfiguration" or "ObjectLockConfigurationNotFoundError" or "InvalidRequest" };

    private string Name(string key) => Location.Prefix.Length > 0 ? key[(Location.Prefix.Length + 1)..] : key;

    private S3StorageClass? Class => Location.StorageClass is { } name ? new S3StorageClass(name) : null;

    private (ObjectLockMode? Mode, DateTime Until) Lock() =>
        Location.Lock is { } wish ? (wish.Compliance ? ObjectLockMode.Compliance : ObjectLockMode.Governance, _clock.GetUtcNow().UtcDateTime.AddDays(wish.Days)) : (null, default);

    private static string? Given(string? version) => string.IsNullOrEmpty(version) || version == "null" ? null : version;

    private async Task<T> AskAsync<T>(string what, Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not (StoreException or OperationCanceledException) && StoreException.IsOne(exception))
        {
            throw StoreException.Of(exception, Location, what);
        }
    }
}
