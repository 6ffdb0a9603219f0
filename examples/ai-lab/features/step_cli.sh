#!/bin/sh
# The client of the authority.
set -eu
apt-get install -y step-cli
step ca bootstrap --ca-url https://10.30.0.10:9000 --fingerprint "$(cat /etc/step-ca/ssl/root_ca.fingerprint)"
