#!/bin/sh
# The head of the Ray cluster: jobs are submitted here, drivers and referees run here.
#
# needs                almkd[cluster]; a token, see ray-token.sh
# RAY_NODE_IP          this host's address for the other nodes              found by Ray
# RAY_PORT             the port that nodes join at                          6379
# RAY_DASHBOARD_HOST   where the dashboard and the Jobs API listen          0.0.0.0
# RAY_DASHBOARD_PORT   and their port                                       8265
# RAY_AGENT_PORT       the port of the node's health                        52365
# RAY_TMPDIR           Ray's sockets and logs                               /tmp/ray
# ALMKD_CPUS           CPUs that cohorts may use here                       0
# ALMKD_OBJECT_STORE   bytes of the object store                            536870912
# ALMKD_RUNS           where drivers keep their sweeps                      /var/lib/almkd/runs
# RAY_JOB_STOP_WAIT_TIME_S   how long a stopped sweep has to write down what is in flight before it
#                      is killed                                            120
#
# Drivers also take from this environment: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME,
# MLFLOW_TRACKING_PASSWORD_FILE, ALMKD_OPTUNA_URL_FILE.
set -eu

# shellcheck source=docker/ray-token.sh
. "$(dirname "$0")/ray-token.sh"

export ALMKD_RUNS="${ALMKD_RUNS:-/var/lib/almkd/runs}"
mkdir -p "$ALMKD_RUNS"
export RAY_JOB_STOP_WAIT_TIME_S="${RAY_JOB_STOP_WAIT_TIME_S:-120}"
# Ray Client's server forks a process for every client, which gRPC may crash before it begins.
export GRPC_ENABLE_FORK_SUPPORT=0

exec ray start --head --block \
  ${RAY_NODE_IP:+"--node-ip-address=$RAY_NODE_IP"} \
  --port="${RAY_PORT:-6379}" \
  --dashboard-host="${RAY_DASHBOARD_HOST:-0.0.0.0}" \
  --dashboard-port="${RAY_DASHBOARD_PORT:-8265}" \
  --dashboard-agent-listen-port="${RAY_AGENT_PORT:-52365}" \
  --temp-dir="${RAY_TMPDIR:-/tmp/ray}" \
  --num-cpus="${ALMKD_CPUS:-0}" \
  --object-store-memory="${ALMKD_OBJECT_STORE:-536870912}" \
  --disable-usage-stats
