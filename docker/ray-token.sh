#!/bin/sh
# Sourced by ray-head.sh and ray-worker.sh, for what all nodes have: none starts without a token.
#
# RAY_AUTH_TOKEN_PATH  the file with the token, as Ray reads it            /run/secrets/ray_token
# RAY_AUTH_TOKEN       the token itself, where an orchestrator such as KubeRay sets it
export RAY_AUTH_MODE=token

if [ -z "${RAY_AUTH_TOKEN:-}" ]; then
  RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-/run/secrets/ray_token}
  export RAY_AUTH_TOKEN_PATH
  [ -s "$RAY_AUTH_TOKEN_PATH" ] || { echo "${0##*/}: no token in $RAY_AUTH_TOKEN_PATH; make it with docker/make-secrets.sh" >&2; exit 2; }
fi

# Nothing is sent to Ray's makers.
export RAY_USAGE_STATS_ENABLED=0

# What the node writes is for its own user, and no copy of its memory is left where it crashes.
umask 077
# shellcheck disable=SC3045 # POSIX lacks -c; dash and bash have it
ulimit -c 0
