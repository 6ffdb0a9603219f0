#!/bin/sh
# What every guest of the lab has.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y ca-certificates curl jq netcat-openbsd
