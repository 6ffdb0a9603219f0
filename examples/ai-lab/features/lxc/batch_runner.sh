#!/bin/sh
# A runner for batches.
set -eu
curl -fsSL -o /usr/local/bin/batch-runner http://packages.lab.example/batch-runner
systemctl enable batch-runner
systemctl start batch-runner
