#!/bin/sh
# What every guest of this fleet has: package lists, certificates of public authorities, netcat for health checks.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y ca-certificates curl netcat-openbsd
