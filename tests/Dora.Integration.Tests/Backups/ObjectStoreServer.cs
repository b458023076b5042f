using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using Dora.Backup.Store;
using Dora.Testing;

namespace Dora.Integration.Tests.Backups;

/// <summary>A real object store (Ceph's S3 gateway, <c>hack/object-store.sh</c>) over TLS.</summary>
public sealed class ObjectStoreServer : Xunit.IAsyncLifetime
{
    private readonly string[] options = [];

    private static readonly string Script = Path.Combine(GoldenFile.RepositoryRoot, "hack", "object-store.sh");
    private static int count;

    private readonly string folder = Path.Combine(Path.GetTempPath(), $"dora-object-store-{Environment.ProcessId}-{Interlocked.Increment(ref count)}");
    private int buckets;

    /// <summary>One on the loopback address.</summary>
    public ObjectStoreServer()
    {
    }

    /// <summary>One that pods reach, by a name of theirs.</summary>
    internal ObjectStoreServer(string address, string name) => options = ["--address", address, "--name", name];

    /// <summary>Who signed its certificate, PEM.</summary>
    public string Authority { get; private set; } = "";

    public Uri Endpoint { get; private set; } = new("https://localhost");

    /// <summary>Who owns the buckets.</summary>
    public StoreCredentials Owner { get; private set; } = new("", "");

    /// <summary>Somebody whom nothing was granted.</summary>
    public StoreCredentials Stranger { get; private set; } = new("", "");

    /// <summary>Their name.</summary>
    public string StrangerName => "stranger";

    public async ValueTask InitializeAsync()
    {
        await HackScript.RunAsync(Script, ["up", "--dir", folder, .. options]);
        Authority = await File.ReadAllTextAsync(Path.Combine(folder, "ca.crt"));
        Endpoint = new((await File.ReadAllTextAsync(Path.Combine(folder, "endpoint"))).Trim());
        Owner = Credentials(await File.ReadAllLinesAsync(Path.Combine(folder, "admin")));
        await HackScript.RunAsync("bash", "-c", $"{Script} user {StrangerName} --dir {folder} >{folder}/stranger");
        Stranger = Credentials(await File.ReadAllLinesAsync(Path.Combine(folder, "stranger")));
    }

    public async ValueTask DisposeAsync() => await HackScript.RunAsync(Script, "down", "--dir", folder);

    /// <summary>Ends the gateway, as an outage would.</summary>
    public Task StopAsync() => HackScript.RunAsync(Script, "stop", "--dir", folder);

    /// <summary>Has it back.</summary>
    public Task StartAsync() => HackScript.RunAsync(Script, "start", "--dir", folder);

    /// <summary>A fresh bucket.</summary>
    /// <param name="locked">With versions and object lock.</param>
    public async Task<string> BucketAsync(bool locked = false)
    {
        var name = $"bucket-{Interlocked.Increment(ref buckets)}";
        using var client = Client();
        await client.PutBucketAsync(new PutBucketRequest { BucketName = name, ObjectLockEnabledForBucket = locked });
        return name;
    }

    /// <summary>Lets a bucket hold so many bytes and no more; 0 lifts that.</summary>
    public Task LimitAsync(string bucket, long bytes) => HackScript.RunAsync(Script, "quota", bucket, bytes.ToString(System.Globalization.CultureInfo.InvariantCulture), "--dir", folder);

    /// <summary>Permits somebody something in a bucket, and nothing else.</summary>
    public async Task AllowAsync(string bucket, string user, params string[] actions)
    {
        using var client = Client();
        var permitted = string.Join(',', actions.Select(action => $"\"{action}\""));
        await client.PutBucketPolicyAsync(bucket, $$"""{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam:::user/{{user}}"]},"Action":[{{permitted}}],"Resource":["arn:aws:s3:::{{bucket}}","arn:aws:s3:::{{bucket}}/*"]}]}""");
    }

    /// <summary>The store as the product uses it.</summary>
    internal ObjectStore Store(string bucket, StoreCredentials? credentials = null, ObjectLock? objectLock = null, TimeProvider? clock = null, string prefix = "backups/eu", int tries = 8) =>
        new(new(Endpoint, bucket, prefix, Lock: objectLock), credentials ?? Owner, Authority, clock ?? TimeProvider.System, tries);

    /// <summary>The store as somebody else uses it.</summary>
    public AmazonS3Client Client() => new(new BasicAWSCredentials(Owner.AccessKeyId, Owner.SecretAccessKey), new AmazonS3Config
    {
        ServiceURL = Endpoint.ToString(),
        AuthenticationRegion = "us-east-1",
        ForcePathStyle = true,
        RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        HttpClientFactory = new StoreConnections(Authority),
    });

    /// <summary>Changes one bit in the middle of an object.</summary>
    public async Task FlipAsync(string bucket, string key, CancellationToken cancellationToken)
    {
        using var client = Client();
        using var answer = await client.GetObjectAsync(bucket, key, cancellationToken);
        using var content = new MemoryStream();
        await answer.ResponseStream.CopyToAsync(content, cancellationToken);
        content.GetBuffer()[content.Length / 2] ^= 1;
        content.Position = 0;
        await client.PutObjectAsync(new() { BucketName = bucket, Key = key, InputStream = content }, cancellationToken);
    }

    private static StoreCredentials Credentials(string[] lines) => new(lines[0], lines[1]);
}

/// <summary>Tests of backups share one store, one class after the other: some of them end it for a moment.</summary>
[Xunit.CollectionDefinition(Name)]
public sealed class ObjectStoreTests : Xunit.ICollectionFixture<ObjectStoreServer>
{
    public const string Name = "object store";
}

/// <summary>Tests of pgBackRest take long, and have a store of their own: they run beside the others.</summary>
[Xunit.CollectionDefinition(Name)]
public sealed class ArchiveStoreTests : Xunit.ICollectionFixture<ObjectStoreServer>
{
    public const string Name = "archive store";
}
