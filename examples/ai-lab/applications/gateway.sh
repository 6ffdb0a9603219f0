#!/bin/sh
# The outer web server.
set -eu
apt-get install -y nginx
step ca certificate gateway.lab.example /etc/nginx/gateway.crt /etc/nginx/gateway.key
systemctl enable nginx
systemctl start nginx
