#!/bin/sh
# The user-space half of the driver, in the version of the node's kernel module.
set -eu
version=$(jq -r .phoenix.file.nvidia_driver_version "$PHOENIX_CONTEXT")
test -n "$version"
apt-get install -y cuda-toolkit
nvidia-smi
