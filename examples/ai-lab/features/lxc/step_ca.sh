#!/bin/sh
# The certificate authority.
set -eu
apt-get install -y step-ca step-cli
mkdir -p /etc/step-ca/config
step ca init --name 'Lab CA' --dns ca.lab.example --address :9000 --provisioner admin
systemctl enable step-ca
systemctl start step-ca
