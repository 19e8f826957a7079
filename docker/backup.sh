#!/bin/sh
# Writes both databases into files, each as it is at one moment; the stack goes on meanwhile.
#
# usage          docker/backup.sh DIRECTORY     writes mlflow.dump and optuna.dump into it
# needs          pg_dump of PostgreSQL's version or a newer one
# PGHOST PGPORT  where PostgreSQL answers                                 127.0.0.1 5432
# ALMKD_SECRETS  directory of the files mlflow_db_password, optuna_db_password
#                                                                         /run/secrets
set -eu
umask 077

# shellcheck source=docker/database-owners.sh
. "$(dirname "$0")/database-owners.sh"

mkdir -p "$1"
for name in mlflow optuna; do
  pg_dump --username="$name" --dbname="$name" --format=custom --file="$1/$name.dump.new"
  mv "$1/$name.dump.new" "$1/$name.dump"
done
