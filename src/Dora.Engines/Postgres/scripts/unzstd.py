"""Reads a file of the log as pgBackRest stored it (zstd) from stdin, and writes it out as PostgreSQL wrote it: 16 MiB at most.

`pgbackrest repo-get` decrypts and does not decompress, `archive-get` asks for the servers' data, and not every image has zstd's program. Its library
is there wherever PostgreSQL's server and pgBackRest are.
"""
import ctypes
import sys

SEGMENT = 16 * 1024 * 1024

zstd = ctypes.CDLL("libzstd.so.1")
zstd.ZSTD_decompress.restype = ctypes.c_size_t
zstd.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
zstd.ZSTD_isError.argtypes = [ctypes.c_size_t]

stored = sys.stdin.buffer.read()
log = ctypes.create_string_buffer(SEGMENT)
length = zstd.ZSTD_decompress(log, SEGMENT, stored, len(stored))
if zstd.ZSTD_isError(length):
    sys.exit("the file cannot be decompressed")
sys.stdout.buffer.write(log.raw[:length])
