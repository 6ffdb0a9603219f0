#!/bin/sh
# The inner reverse proxy; its certificates come from the CA by ACME.
set -eu
apt-get install -y traefik
nc -z 10.20.0.103 9000
systemctl enable traefik
systemctl start traefik
