using System.Security.Cryptography;
using Dora.Backup.Keys;

namespace Dora.Backup.Tests;

internal static class TestKeys
{
    public static byte[] First { get; } = SHA256.HashData("first"u8);

    public static byte[] Second { get; } = SHA256.HashData("second"u8);

    public static SecretKeys Of(byte[] current, params (string Name, byte[] Key)[] others) =>
        new(others.Append((SecretKeys.Current, current)).ToDictionary(pair => pair.Item1, pair => pair.Item2));
}
