#!/bin/sh
# Sets up the certificate authority. Its unit opens port 9000 when the database is ready, and its last act is the marker
# `ca.ready` in the shared directory, after the fingerprint and the password that consumers need.
set -eu
shared=/etc/step-ca/ssl
apt-get install -y step-ca step-cli
mkdir -p /etc/step-ca/config "$shared"
if [ ! -e /etc/step-ca/config/ca.json ]; then
    umask 077
    head -c 24 /dev/urandom | base64 > /etc/step-ca/password
    step ca init --name "Lab CA" --dns ca.lab.example --address :9000 --provisioner admin \
        --password-file /etc/step-ca/password --deployment-type standalone
fi
systemctl enable step-ca
systemctl start step-ca
