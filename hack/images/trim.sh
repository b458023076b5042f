#!/bin/sh
# Takes out of a root file system what no container needs. Used by build.sh and by the Dockerfiles.
set -eu
root=${1%/}

rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/lintian \
    "$root"/usr/share/locale/* "$root"/usr/share/bash-completion "$root"/usr/share/common-licenses \
    "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
    "$root"/var/log/* "$root"/usr/share/postgresql/*/man "$root"/usr/share/perl/*/pod
find "$root/usr/lib/python3" "$root"/usr/lib/python3.* -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# PostgreSQL's just-in-time compiler is a third of the image and gains nothing on short statements;
# without its library PostgreSQL runs as with jit = off.
rm -rf "$root"/usr/lib/*/libLLVM-* "$root"/usr/lib/*/libz3.so* "$root"/usr/lib/llvm-* \
    "$root"/usr/lib/postgresql/*/lib/llvmjit.so "$root"/usr/lib/postgresql/*/lib/bitcode
