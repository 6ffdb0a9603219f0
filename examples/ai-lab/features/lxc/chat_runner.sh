#!/bin/sh
# A runner for chat models.
set -eu
curl -fsSL -o /usr/local/bin/chat-runner http://packages.lab.example/chat-runner
systemctl enable chat-runner
systemctl start chat-runner
