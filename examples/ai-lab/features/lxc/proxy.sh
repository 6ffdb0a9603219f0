#!/bin/sh
# The inner reverse proxy.
set -eu
apt-get install -y traefik
mkdir -p /etc/proxy/certs
