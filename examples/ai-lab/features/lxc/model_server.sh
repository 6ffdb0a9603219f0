#!/bin/sh
# The server that answers requests to a model.
set -eu
apt-get install -y python3-venv
python3 -m venv /opt/model-server
/opt/model-server/bin/pip install model-server
