#!/bin/sh
# The gateway. It asks the CA for its certificate, which is why the CA must be healthy first.
set -eu
apt-get install -y nginx step-cli
nc -z 10.20.0.103 9000
step ca certificate gateway.lab.example /etc/nginx/gateway.crt /etc/nginx/gateway.key --ca-url https://10.20.0.103:9000
systemctl enable nginx
systemctl start nginx
