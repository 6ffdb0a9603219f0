#!/bin/sh
# Fetches the model into the volume and serves it.
set -eu
model=$(jq -r .vllm_engine_config.ModelConfig.model "$PHOENIX_CONTEXT")
echo "serving $model"
systemctl enable model-server
systemctl start model-server
