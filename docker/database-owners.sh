#!/bin/sh
# Sourced by backup.sh and restore.sh: the programs, the place and the passwords of both owners.
if ! command -v pg_dump > /dev/null; then
  for programs in /usr/lib/postgresql/*/bin; do PATH=$programs:$PATH; done
fi
PGHOST=${PGHOST:-127.0.0.1}
export PGHOST

PGPASSFILE=$(mktemp)
export PGPASSFILE
trap 'rm -f "$PGPASSFILE"' EXIT
for owner in mlflow optuna; do
  printf '*:*:*:%s:%s\n' "$owner" "$(cat "${ALMKD_SECRETS:-/run/secrets}/${owner}_db_password")"
done > "$PGPASSFILE"
