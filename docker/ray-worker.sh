#!/bin/sh
# A node of the Ray cluster that trains. It reaches the head and the other nodes, no database.
#
# needs                almkd[cluster]; a head; its token, see ray-token.sh
# RAY_HEAD             HOST:PORT of the head            ray-head:6379, or where KubeRay says it is
# RAY_NODE_IP          this host's address for the other nodes              found by Ray
# RAY_AGENT_PORT       the port of the node's health                        52365
# RAY_TMPDIR           Ray's sockets and logs                               /tmp/ray
# ALMKD_CPUS           CPUs that cohorts may use here                       all
# ALMKD_GPUS           GPUs that cohorts may use here                       all
# ALMKD_RESOURCES      resources of your own, as JSON                       {}
# ALMKD_OBJECT_STORE   bytes of the object store                            536870912
set -eu

# shellcheck source=docker/ray-token.sh
. "$(dirname "$0")/ray-token.sh"

exec ray start --block \
  --address="${RAY_HEAD:-${FQ_RAY_IP:-ray-head}:6379}" \
  ${RAY_NODE_IP:+"--node-ip-address=$RAY_NODE_IP"} \
  --dashboard-agent-listen-port="${RAY_AGENT_PORT:-52365}" \
  --temp-dir="${RAY_TMPDIR:-/tmp/ray}" \
  ${ALMKD_CPUS:+"--num-cpus=$ALMKD_CPUS"} \
  ${ALMKD_GPUS:+"--num-gpus=$ALMKD_GPUS"} \
  --resources="${ALMKD_RESOURCES:-{\}}" \
  --object-store-memory="${ALMKD_OBJECT_STORE:-536870912}" \
  --disable-usage-stats
