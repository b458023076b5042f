using System.ComponentModel;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Redis;

/// <summary>A user that must exist. Without any of the lists it may log in, and nothing else.</summary>
public sealed record RedisUser(
    [property: Description("Name; default, admin, replica, sentinel, migrate, app, monitor and backup are reserved."), Pattern("^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$"), MaxLength(24)]
    string Name,
    [property: Description("Patterns of the keys that it may use, such as 'orders:*'. Default: none."), MaxItems(16), MaxLength(128)]
    IReadOnlyList<string>? Keys = null,
    [property: Description("Patterns of the channels that it may use. Default: none."), MaxItems(16), MaxLength(128)]
    IReadOnlyList<string>? Channels = null,
    [property: Description("Categories of commands that it may use: read, write, keyspace, string, list, hash, set, sortedset, stream, bitmap, hyperloglog, geo, pubsub, transaction, scripting, blocking. What is dangerous or administrative never is. Default: read."), MaxItems(16), MaxLength(16)]
    IReadOnlyList<string>? Categories = null);
