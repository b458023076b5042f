using System.Globalization;

namespace Dora.Backup.Store;

/// <summary>A place in an object store that speaks S3 (docs.aws.amazon.com/AmazonS3/latest/API).</summary>
/// <param name="Endpoint">Base address, e.g. <c>https://s3.eu-central-1.amazonaws.com</c>.</param>
/// <param name="Bucket">The bucket; it must exist.</param>
/// <param name="Prefix">What all names begin with, without a slash at either end; or empty.</param>
/// <param name="Region">Region that requests are signed for.</param>
/// <param name="PathStyle">Whether the bucket stands in the path, not in the host's name.</param>
/// <param name="StorageClass">Storage class of the data, or null for the bucket's own.</param>
/// <param name="Lock">How long what is written cannot be removed, or null.</param>
public sealed record StoreLocation(
    Uri Endpoint,
    string Bucket,
    string Prefix = "",
    string Region = "us-east-1",
    bool PathStyle = true,
    string? StorageClass = null,
    ObjectLock? Lock = null)
{
    /// <summary>The place as people read it; no credential is in it.</summary>
    public override string ToString() => $"{Endpoint.GetLeftPart(UriPartial.Authority)}/{Bucket}{(Prefix.Length > 0 ? $"/{Prefix}" : "")}";

    /// <summary>The full name of an object below the prefix.</summary>
    public string Key(string name) => Prefix.Length > 0 ? $"{Prefix}/{name}" : name;
}

/// <summary>Object lock: nobody removes a version before its day (COMPLIANCE), or only who is specially permitted (GOVERNANCE).</summary>
/// <param name="Compliance">Whether not even the account's owner may.</param>
/// <param name="Days">From when it is written.</param>
public sealed record ObjectLock(bool Compliance, int Days)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{(Compliance ? "COMPLIANCE" : "GOVERNANCE")} {Days}d");
}

/// <summary>Who asks. Its text form holds no secret.</summary>
/// <param name="AccessKeyId">Public part.</param>
/// <param name="SecretAccessKey">Never logged.</param>
/// <param name="SessionToken">Of temporary credentials, or null. Never logged.</param>
public sealed record StoreCredentials(string AccessKeyId, string SecretAccessKey, string? SessionToken = null)
{
    /// <inheritdoc/>
    public override string ToString() => AccessKeyId;
}

/// <summary>An object as it was stored.</summary>
/// <param name="Name">Its name below the location's prefix.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">SHA-256 of its bytes, lower case hex.</param>
/// <param name="Version">Its version in a versioned bucket, or null.</param>
public sealed record StoredObject(string Name, long Bytes, string Sha256, string? Version = null);

/// <summary>An object as a listing shows it.</summary>
/// <param name="Name">Its name below the location's prefix.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Modified">When it was written.</param>
public sealed record ListedObject(string Name, long Bytes, DateTimeOffset Modified);

/// <summary>One version of an object, as a listing shows it.</summary>
/// <param name="Name">Its name below the location's prefix.</param>
/// <param name="Version">Its version; null where the bucket keeps none.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Modified">When it was written.</param>
/// <param name="Latest">Whether it is what a reader gets.</param>
/// <param name="Marker">Whether it only says that the object was removed.</param>
public sealed record ObjectVersion(string Name, string? Version, long Bytes, DateTimeOffset Modified, bool Latest, bool Marker);
