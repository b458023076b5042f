#!/bin/sh
# Starts the server; it takes the place of this shell and so gets the signals.
set -eu
exec influxd run
