#!/bin/sh
# Starts the reverse proxy with a certificate of the lab.
set -eu
step ca certificate proxy.lab.example /etc/proxy/certs/proxy.crt /etc/proxy/certs/proxy.key
systemctl enable traefik
systemctl start traefik
