using System.Runtime.InteropServices;

namespace Dora.Backup.Streams;

/// <summary>libzstd, as every Debian has it (facebook.github.io/zstd/zstd_manual.html, streaming API). Decision 13 says why not a package.</summary>
internal static partial class Zstd
{
    private const string Library = "libzstd.so.1";

    /// <summary>How far back a stream may refer: 8 MiB. Level 3 needs 2; a stream that wants more is none of ours.</summary>
    public const int LargestWindowLog = 23;

    public const int CompressionLevel = 100;
    public const int WindowLogMax = 100;
    public const int Continue = 0;
    public const int End = 2;

    [StructLayout(LayoutKind.Sequential)]
    public struct Buffer
    {
        public nint Data;
        public nuint Size;
        public nuint Position;
    }

    /// <summary>Answers what a call said.</summary>
    /// <exception cref="InvalidDataException">It was an error.</exception>
    public static nuint Check(nuint code) =>
        IsError(code) == 0 ? code : throw new InvalidDataException($"zstd: {Marshal.PtrToStringUTF8(ErrorName(code))}");

    [LibraryImport(Library, EntryPoint = "ZSTD_isError")]
    private static partial uint IsError(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_getErrorName")]
    private static partial nint ErrorName(nuint code);

    [LibraryImport(Library, EntryPoint = "ZSTD_CCtx_setParameter")]
    public static partial nuint SetParameter(CompressionContext context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_compressStream2")]
    public static partial nuint Compress(CompressionContext context, ref Buffer output, ref Buffer input, int directive);

    [LibraryImport(Library, EntryPoint = "ZSTD_DCtx_setParameter")]
    public static partial nuint SetParameter(DecompressionContext context, int parameter, int value);

    [LibraryImport(Library, EntryPoint = "ZSTD_decompressStream")]
    public static partial nuint Decompress(DecompressionContext context, ref Buffer output, ref Buffer input);

    [LibraryImport(Library, EntryPoint = "ZSTD_createCCtx")]
    public static partial CompressionContext CreateCompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeCCtx")]
    private static partial nuint FreeCompression(nint context);

    [LibraryImport(Library, EntryPoint = "ZSTD_createDCtx")]
    public static partial DecompressionContext CreateDecompression();

    [LibraryImport(Library, EntryPoint = "ZSTD_freeDCtx")]
    private static partial nuint FreeDecompression(nint context);

    /// <summary>State of one stream that is compressed.</summary>
    public sealed class CompressionContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle() => FreeCompression(handle) == 0;
    }

    /// <summary>State of one stream that is decompressed.</summary>
    public sealed class DecompressionContext() : SafeHandle(0, ownsHandle: true)
    {
        public override bool IsInvalid => handle == 0;

        protected override bool ReleaseHandle() => FreeDecompression(handle) == 0;
    }
}
