#!/bin/sh
# The server that answers requests to a model.
set -eu
apt-get install -y python3-pip
pip install --target /opt/model-server model-server
