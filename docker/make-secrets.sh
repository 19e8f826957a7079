#!/bin/sh
# Makes the passwords and the token of the stack, each in a file; what is there is kept.
#
# usage            docker/make-secrets.sh [DIRECTORY]                    docker/secrets
# ALMKD_DATABASE   HOST:PORT of PostgreSQL, for the address of Optuna's  postgres:5432
#
# The directory is for its owner alone. The files in it can be read by whoever gets past it, for a
# container may run under another user's number than the one who made them.
set -eu

directory=${1:-$(dirname "$0")/secrets}
mkdir -p "$directory"
chmod 700 "$directory"

# A name and what reads the secret from standard output; 256 random bits as hexadecimal digits.
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

keep() {
  if [ ! -s "$directory/$1" ]; then
    cat > "$directory/$1.new"
    chmod 444 "$directory/$1.new"
    mv "$directory/$1.new" "$directory/$1"
    echo "made $directory/$1"
  fi
}

for name in postgres_password mlflow_db_password optuna_db_password mlflow_admin_password \
  mlflow_secret_key ray_token; do
  random | keep "$name"
done
printf 'postgresql+psycopg://optuna:%s@%s/optuna' "$(cat "$directory/optuna_db_password")" \
  "${ALMKD_DATABASE:-postgres:5432}" | keep optuna_url
