using System.ComponentModel;
using Dora.Api;
using Dora.Kubernetes.Schema;

namespace Dora.Engines.Redis;

/// <summary>A user that must exist. Without any of the lists it may log in, and nothing else.</summary>
[Cel("!has(self.vault) || !has(self.vault.dynamicRole) || !(has(self.keys) || has(self.channels) || has(self.categories))", "with dynamicRole write what its users may do into Vault's creation statements, not here: Redis has no groups", FieldPath = ".vault")]
public sealed record RedisUser(
    [property: Description("Name; default, admin, replica, sentinel, migrate, app, monitor and backup are reserved."), Pattern("^[a-z]([a-z0-9-]{0,22}[a-z0-9])?$"), MaxLength(24)]
    string Name,
    [property: Description("Patterns of the keys that it may use, such as 'orders:*'. Default: none."), MaxItems(16), MaxLength(128)]
    IReadOnlyList<string>? Keys = null,
    [property: Description("Patterns of the channels that it may use. Default: none."), MaxItems(16), MaxLength(128)]
    IReadOnlyList<string>? Channels = null,
    [property: Description("Categories of commands that it may use: read, write, keyspace, string, list, hash, set, sortedset, stream, bitmap, hyperloglog, geo, pubsub, transaction, scripting, blocking. What is dangerous or administrative never is. Default: read."), MaxItems(16), MaxLength(16)]
    IReadOnlyList<string>? Categories = null,
    [property: Description("As of postgres.roles[] (mode Standalone only); Secret '<stack>-redis-vault-<name>'. With dynamicRole Vault's creation statements give the rights, and no list does."), DescribedElsewhere]
    VaultDatabaseRole? Vault = null);
