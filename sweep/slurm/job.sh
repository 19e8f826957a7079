#!/bin/bash
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:USR1@180
#SBATCH --requeue
#SBATCH --no-kill
#SBATCH --open-mode=append
# A sweep as a batch job of SLURM: a Ray cluster of the job's own on its nodes, and the launch in it.
#
# usage                sbatch --nodes=2 --time=4:00:00 docker/slurm.sh SPEC [OPTIONS OF almkd launch]
#                      almkd slurm SPEC ... writes it with the options of a job in it, and submits it
# needs                almkd in the PATH, at the same place on every node
# ALMKD_RUNS           where the sweep is kept, on a disk that all nodes share          runs
# ALMKD_TMP            a directory of each node for sockets and logs of Ray, at most 18 bytes long;
#                      what is made in it is the job's alone and goes with it           /tmp
# ALMKD_OBJECT_STORE   bytes of the object store of each node                           536870912
# ALMKD_RESTARTS       how often the job puts itself back into the queue, at most       100
#
# The launch also takes from this environment: MLFLOW_TRACKING_URI, MLFLOW_TRACKING_USERNAME,
# MLFLOW_TRACKING_PASSWORD_FILE, ALMKD_OPTUNA_URL_FILE.
#
# SLURM sets SLURM_JOB_ID, SLURM_JOB_NODELIST, SLURM_RESTART_COUNT and SLURMD_NODENAME, and on each
# node what the job has there: SLURM_CPUS_ON_NODE, SLURM_GPUS_ON_NODE. All ports are of the system's
# choice. The token is made here, and goes to the nodes in the environment of srun.
#
# USR1, before the time limit: the launch ends with true states, and the job is queued again.
# TERM, of scancel or a preemption: the launch ends so, too, and SLURM says what becomes of the job.
# A node is lost: the sweep goes on on the others; if it was the first, the job is queued again.
# Exit code 0: complete; else that of almkd launch: 1 failed, 2 bad input, 130 ended before it was.
set -u

fail() {
  echo "slurm.sh: $1" >&2
  exit 2
}

# A directory for a start of this job on this node; what an earlier one left here is removed. Ray
# opens its own, below it, to every user of the node; nobody else gets past this one.
place() {
  local old made
  for old in "$ALMKD_TMP/almkd-$SLURM_JOB_ID."*; do
    [ "$(cat "$old/node" 2> /dev/null)" != "$SLURMD_NODENAME" ] || rm -rf "$old"
  done
  made=$(mktemp -d "$ALMKD_TMP/almkd-$SLURM_JOB_ID.XXXXXX") || return
  echo "$SLURMD_NODENAME" > "$made/node"
  echo "$made"
}

# A node of the Ray cluster, in a step of its own, until it is told to end (USR2); the arguments are
# those of `ray start`. What SLURM sends to all processes of a job (TERM) waits for the launch.
# shellcheck disable=SC2329  # a step calls it
node() {
  local ray='' told=''
  trap : TERM
  trap 'told=yes; [ -z "$ray" ] || kill -TERM "$ray" 2> /dev/null' USR2
  while [ -z "$told" ]; do
    TMPDIR=$here ray start --block "$@" \
      --temp-dir="$here/r" \
      --num-cpus="$SLURM_CPUS_ON_NODE" \
      --num-gpus="${SLURM_GPUS_ON_NODE:-0}" \
      --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0 \
      --object-store-memory="${ALMKD_OBJECT_STORE:-536870912}" \
      --disable-usage-stats > "$here/ray.out" 2>&1 &
    ray=$!
    [ -z "$told" ] || kill -TERM "$ray"
    while [ -z "$told" ] && kill -0 "$ray" 2> /dev/null; do wait "$ray"; done
    [ -z "$told" ] || break
    echo "slurm.sh: on $SLURMD_NODENAME Ray has ended by itself:" >&2
    cat "$here/ray.out" >&2
    [ "$SLURMD_NODENAME" != "$head" ] || break
    # With the head's node the batch script is gone: SLURM takes that node out of the job, lets the
    # others be, and nothing would happen any more.
    sleep 20 & wait $!
    members=$(scontrol show hostnames "$(squeue --noheader --jobs="$SLURM_JOB_ID" --format=%N)")
    if [ -n "$members" ] && ! grep -Fqx "$head" <<< "$members"; then
      echo "slurm.sh: the node $head is lost, and with it the head; the job is queued again" >&2
      scontrol requeue "$SLURM_JOB_ID"
      break
    fi
  done
  # It waits for processes that may hang; those go with the step.
  for _ in {1..50}; do
    kill -0 "$ray" 2> /dev/null || break
    sleep 0.2
  done
  kill -KILL "$ray" 2> /dev/null
  gone "$here"
}

# Remove a directory in which processes that end may still write.
gone() {
  for _ in {1..10}; do
    rm -rf "$1" 2> /dev/null
    sleep 0.3
    [ -e "$1" ] || return 0
  done
}

# A step of one task on the node $1, with all that the job has there. The rest: as `node` takes it.
# shellcheck disable=SC2016  # the step expands it
step() {
  local name=$1
  shift
  exec srun --overlap --no-kill --export=ALL --cpu-bind=none --nodes=1 --ntasks=1 --nodelist="$name" \
    bash -c "$(declare -f place gone node); "'here=${here:-$(place)} && node "$@"' node "$@"
}

# USR1 and TERM: the launch hears of the first, once, since a second one would not let it finish.
# shellcheck disable=SC2329  # traps call it
end() {
  [ -z "$because" ] || return 0
  because=$1
  echo "slurm.sh: $2: the launch ends, with true states" >&2
  [ -z "$launch" ] || kill -TERM "$launch"
}

[ -n "${SLURM_JOB_ID:-}" ] || fail "runs as a job of SLURM: sbatch --nodes=2 --time=4:00:00 $0 SPEC"
[ $# != 0 ] || fail "no spec: sbatch --nodes=2 --time=4:00:00 docker/slurm.sh SPEC"
export ALMKD_RUNS="${ALMKD_RUNS:-runs}" ALMKD_TMP="${ALMKD_TMP:-/tmp}"
[ -d "$ALMKD_RUNS" ] || fail "$ALMKD_RUNS is not there on $(hostname): make it, on a disk that all nodes share, or name another with ALMKD_RUNS"
[ ${#ALMKD_TMP} -le 18 ] || fail "ALMKD_TMP: $ALMKD_TMP is too long for the sockets of Ray; name a directory of at most 18 bytes, such as /tmp"
for program in almkd ray python; do
  command -v "$program" > /dev/null || fail "there is no $program in the PATH on $(hostname): put the directory of almkd's bin/ there before sbatch"
done

because='' launch=''
trap 'end limit "the time limit is near"' USR1
trap 'end told "this job is ended from outside"' TERM

# Of this start alone. Ray reads it here; an argument could be read by every user of the node.
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_TOKEN_PATH RAY_ADDRESS RAY_TMPDIR SLURM_CPUS_PER_TASK SRUN_CPUS_PER_TASK

export head=$SLURMD_NODENAME here
first='' code=1 steps=()
# Again, where another job took the port in between: Ray has no 0 for its client's server.
for _ in {1..3}; do
  here=$(place) || fail "$ALMKD_TMP: cannot be written on $head; name another with ALMKD_TMP"
  client=$(python -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])')
  step "$head" --head --port=0 --include-dashboard=false --ray-client-server-port="$client" &
  first=$!
  while [ -z "$because" ] && kill -0 "$first" 2> /dev/null && [ ! -s "$here/r/ray_current_cluster" ]; do
    sleep 0.5
  done
  [ -z "$because" ] && [ ! -s "$here/r/ray_current_cluster" ] || break
done
steps+=("$first")

if [ -s "$here/r/ray_current_cluster" ] && [ -z "$because" ]; then
  address=$(cat "$here/r/ray_current_cluster")
  for name in $(scontrol show hostnames "$SLURM_JOB_NODELIST"); do
    if [ "$name" != "$head" ]; then
      here='' step "$name" --address="$address" &
      steps+=("$!")
    fi
  done
  # Of the launch alone: SLURM makes a step's TMPDIR on the step's node, and nobody removes it.
  TMPDIR=$here almkd launch "$@" --address "$address" < /dev/null &
  launch=$!
  [ -z "$because" ] || kill -TERM "$launch"
  while kill -0 "$launch" 2> /dev/null; do
    wait "$launch"
    code=$?
  done
  # Where a signal came at the very end, the last wait told of that.
  wait "$launch" 2> /dev/null
  last=$?
  [ "$last" = 127 ] || code=$last
elif [ -n "$because" ]; then
  code=130
else
  echo "slurm.sh: Ray's head did not start on $head" >&2
fi

lost=''
[ -z "$launch" ] || kill -0 "$first" 2> /dev/null || lost=yes
for started in "${steps[@]}"; do kill -USR2 "$started" 2> /dev/null; done
# The step of a node that is lost may not hear of it; what is left goes with the job.
for _ in {1..300}; do
  kill -0 "${steps[@]}" 2> /dev/null || break
  sleep 0.1
done
gone "$here"

again=''
case $code in
  130 | 143) [ "$because" != limit ] || again=yes ;;
  1) [ -z "$lost" ] || [ -n "$because" ] || again=yes ;;
esac
if [ -n "$again" ]; then
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "${ALMKD_RESTARTS:-100}" ]; then
    echo "slurm.sh: not queued again: that was done ${SLURM_RESTART_COUNT} times (ALMKD_RESTARTS)" >&2
  else
    scontrol requeue "$SLURM_JOB_ID" && echo "slurm.sh: job $SLURM_JOB_ID is queued again" >&2
  fi
fi
exit "$code"
