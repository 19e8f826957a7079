#!/bin/sh
# The MLflow server: runs and accounts in PostgreSQL, artifacts through the server, passwords on.
#
# usage              docker/mlflow.sh            serves
#                    docker/mlflow.sh upgrade    brings the tables to this version of MLflow, and ends
# needs              almkd[cluster]; a PostgreSQL made by postgres.sh
# MLFLOW_HOST        the address to listen on                                   0.0.0.0
# MLFLOW_PORT        its port                                                   5000
# MLFLOW_WORKERS     processes that answer                                      2
# MLFLOW_SERVER_ALLOWED_HOSTS  the names, with ports, under which clients may call it; MLflow's
#                    own default knows localhost and private addresses only
# MLFLOW_SERVER_CORS_ALLOWED_ORIGINS  the addresses under which browsers see the dashboard
# ALMKD_DATABASE     HOST:PORT of PostgreSQL                                    postgres:5432
# ALMKD_ARTIFACTS    directory or URI of the artifacts           /var/lib/almkd/artifacts
# ALMKD_MLFLOW_USER  the account that is made at the first start, an administrator    almkd
# ALMKD_MLFLOW_OTHERS  what other accounts may do with runs that are not theirs:
#                    READ, USE, EDIT, MANAGE or NO_PERMISSIONS                  READ
#                    With READ they make nothing of their own either
# ALMKD_MLFLOW_REMEMBERS_S   seconds for which a password that was right is not checked again, as
#                    each check costs a tenth of a second; a changed password may work on for so long  60
# ALMKD_SECRETS      directory of the files mlflow_admin_password, mlflow_db_password,
#                    mlflow_secret_key                                          /run/secrets
set -eu
umask 077
# No copy of its memory, with the passwords in it, is left where it crashes.
# shellcheck disable=SC3045 # POSIX lacks -c; dash and bash have it
ulimit -c 0

secrets=${ALMKD_SECRETS:-/run/secrets}
for name in mlflow_admin_password mlflow_db_password mlflow_secret_key; do
  [ -s "$secrets/$name" ] || { echo "mlflow.sh: $secrets/$name is missing or empty, and there is no default; make it with docker/make-secrets.sh" >&2; exit 2; }
done

# Readable by this user alone, and gone with the host's temporary files.
private=$(mktemp -d)
database=postgresql+psycopg://mlflow@${ALMKD_DATABASE:-postgres:5432}/mlflow

# The password of the database is in no address, argument or variable: libpq reads it here.
PGPASSFILE=$private/pgpass
printf '*:*:*:mlflow:%s\n' "$(cat "$secrets/mlflow_db_password")" > "$PGPASSFILE"
MLFLOW_AUTH_CONFIG_PATH=$private/basic_auth.ini
cat > "$MLFLOW_AUTH_CONFIG_PATH" << INI
[mlflow]
default_permission = ${ALMKD_MLFLOW_OTHERS:-READ}
database_uri = $database
auth_cache_ttl_seconds = ${ALMKD_MLFLOW_REMEMBERS_S:-60}
authorization_function = sweep.adapters.mlflow.readers:authenticate
INI
export PGPASSFILE MLFLOW_AUTH_CONFIG_PATH
# Nothing is sent to MLflow's makers; queues for language models are not needed here.
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
# What no rule of MLflow's speaks of is refused to all but the administrator.
export MLFLOW_BASIC_AUTH_FAIL_CLOSED=true

if [ "${1:-}" = upgrade ]; then
  python -m mlflow db upgrade "$database"
  python -m mlflow.server.auth db upgrade --url "$database"
  exit
fi

MLFLOW_AUTH_ADMIN_USERNAME=${ALMKD_MLFLOW_USER:-almkd}
MLFLOW_AUTH_ADMIN_PASSWORD=$(cat "$secrets/mlflow_admin_password")
MLFLOW_FLASK_SERVER_SECRET_KEY=$(cat "$secrets/mlflow_secret_key")
export MLFLOW_AUTH_ADMIN_USERNAME MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY

# What the server would read of a client's environment, had the two been set in one place.
unset MLFLOW_TRACKING_URI MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD
export MLFLOW_BACKEND_STORE_URI="$database"
export MLFLOW_ARTIFACTS_DESTINATION="${ALMKD_ARTIFACTS:-/var/lib/almkd/artifacts}"
export MLFLOW_HOST="${MLFLOW_HOST:-0.0.0.0}" MLFLOW_PORT="${MLFLOW_PORT:-5000}"
export MLFLOW_WORKERS="${MLFLOW_WORKERS:-2}"
# By default a worker that is silent for 5 s is killed: on a busy machine, before it has even loaded.
export MLFLOW_UVICORN_OPTS="--timeout-worker-healthcheck 120"

exec python -m mlflow server --app-name basic-auth --serve-artifacts
