#!/bin/bash
# Ready: a primary, a secondary or an arbiter. A member that is starting, copying, or removed from the set is none of them.
set -eu
cd "$(dirname "$0")"
# shellcheck source=src/Dora.Engines/MongoDb/scripts/hello.sh
. ./hello.sh
hello_says isWritablePrimary secondary arbiterOnly
