#!/bin/sh
# Puts both databases back as backup.sh wrote them. What was written since is gone from them.
#
# usage          docker/restore.sh DIRECTORY    reads mlflow.dump and optuna.dump in it
# needs          a PostgreSQL made by postgres.sh; no MLflow server and no sweep running
# PGHOST PGPORT ALMKD_SECRETS   as backup.sh
set -eu
umask 077

# shellcheck source=docker/database-owners.sh
. "$(dirname "$0")/database-owners.sh"

for name in mlflow optuna; do
  [ -s "$1/$name.dump" ] || { echo "restore.sh: $1/$name.dump is missing or empty" >&2; exit 2; }
done
# A database is put back whole or not at all.
for name in mlflow optuna; do
  pg_restore --username="$name" --dbname="$name" --clean --if-exists --no-owner \
    --single-transaction "$1/$name.dump"
done
