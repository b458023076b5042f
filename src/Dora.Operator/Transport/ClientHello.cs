using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Dora.Operator.Transport;

/// <summary>
/// The first message of a client that knows no version of TLS after a given one (RFC 5246, 7.4.1.2; RFC 4346). Libraries of today
/// refuse to send one, so whether a server accepts it can only be tried with the bytes themselves.
/// </summary>
internal static class ClientHello
{
    /// <summary>TLS 1.1 on the wire.</summary>
    public const ushort Tls11 = 0x0302;

    /// <summary>TLS 1.2 on the wire.</summary>
    public const ushort Tls12 = 0x0303;

    // With ECDSA and with RSA certificates: whichever the server has, one of these would do.
    private static readonly ushort[] _suites11 = [0xC009, 0xC00A, 0xC013, 0xC014, 0x002F, 0x0035];
    private static readonly ushort[] _suites12 = [0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA9, 0xCCA8, 0xC023, 0xC009, 0xC013, 0x009C, 0x002F];

    /// <summary>The record to send.</summary>
    /// <param name="newest">Newest version that the client knows.</param>
    /// <param name="host">Name of the server it wants (RFC 6066, 3).</param>
    public static byte[] Of(ushort newest, string host)
    {
        byte[] body =
        [
            .. Number(newest),
            .. RandomNumberGenerator.GetBytes(32),
            0, // no session to resume
            .. Sized((newest == Tls12 ? _suites12 : _suites11).SelectMany(Number)),
            1, 0, // no compression
            .. Sized(Extensions(newest, host)),
        ];
        byte[] message = [1, 0, .. Number((ushort)body.Length), .. body];
        return [22, .. Number(0x0301), .. Number((ushort)message.Length), .. message];
    }

    private static IEnumerable<byte> Extensions(ushort newest, string host)
    {
        var name = Encoding.ASCII.GetBytes(host);
        byte[] groups = [0, 29, 0, 23, 0, 24];
        byte[] extensions =
        [
            .. Number(0), .. Sized(Sized([0, .. Sized(name)])),
            .. Number(10), .. Sized(Sized(groups)),
            .. Number(11), .. Sized([1, 0]),
        ];
        // ECDSA and RSA with SHA-256, and RSA-PSS; TLS 1.1 has no such extension.
        byte[] signatures = [4, 3, 8, 4, 4, 1, 5, 3, 5, 1, 2, 3, 2, 1];
        return newest == Tls12 ? [.. extensions, .. Number(13), .. Sized(Sized(signatures))] : extensions;
    }

    private static byte[] Sized(params IEnumerable<byte> bytes)
    {
        var content = bytes.ToArray();
        return [.. Number((ushort)content.Length), .. content];
    }

    private static byte[] Number(ushort value)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, value);
        return bytes;
    }
}
