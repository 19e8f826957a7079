#!/bin/sh
# PostgreSQL with the two databases of the stack, `mlflow` and `optuna`, each with an owner of its own.
#
# needs        PostgreSQL's programs, on PATH or where Debian puts them; a user that is not root
# PGDATA       where the databases are kept; made at the first start
# PGPORT       the port                                                      5432
# ALMKD_LISTEN   the addresses of this host to listen on                       0.0.0.0
# ALMKD_SECRETS  directory of the files postgres_password, mlflow_db_password, optuna_db_password
#                                                                             /run/secrets
set -eu
# shellcheck disable=SC3045 # POSIX lacks -c; dash and bash have it
ulimit -c 0

PGDATA=${PGDATA:-/var/lib/postgresql/data/almkd}
PGPORT=${PGPORT:-5432}
secrets=${ALMKD_SECRETS:-/run/secrets}
export PGPORT

if ! command -v initdb > /dev/null; then
  for programs in /usr/lib/postgresql/*/bin; do PATH=$programs:$PATH; done
fi

# A database that came into being half is never started: it gets its name when it is whole.
make_databases() (
  umask 077
  new=$PGDATA.new
  rm -rf "$new"
  initdb --pgdata="$new" --username=postgres --pwfile="$secrets/postgres_password" \
    --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 > /dev/null
  # From elsewhere each owner reaches its own database, and nobody else anything.
  {
    echo 'host mlflow mlflow all scram-sha-256'
    echo 'host optuna optuna all scram-sha-256'
  } >> "$new/pg_hba.conf"

  PGPASSFILE=$new/passwords
  printf '*:*:*:postgres:%s\n' "$(cat "$secrets/postgres_password")" > "$PGPASSFILE"
  export PGPASSFILE secrets
  pg_ctl --pgdata="$new" --wait --silent --log="$new/making.log" \
    -o "-c listen_addresses='' -c unix_socket_directories='$new'" start
  # psql reads the passwords from their files, so that they are in no argument.
  psql --host="$new" --username=postgres --dbname=postgres --no-psqlrc --quiet \
    --set=ON_ERROR_STOP=1 << 'SQL'
\set password `cat "$secrets/mlflow_db_password"`
CREATE ROLE mlflow LOGIN PASSWORD :'password';
CREATE DATABASE mlflow OWNER mlflow;
REVOKE ALL ON DATABASE mlflow FROM PUBLIC;
\set password `cat "$secrets/optuna_db_password"`
CREATE ROLE optuna LOGIN PASSWORD :'password';
CREATE DATABASE optuna OWNER optuna;
REVOKE ALL ON DATABASE optuna FROM PUBLIC;
SQL
  pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
  rm "$PGPASSFILE" "$new/making.log"
  mv "$new" "$PGDATA"
)

if [ ! -e "$PGDATA/PG_VERSION" ]; then
  for name in postgres_password mlflow_db_password optuna_db_password; do
    [ -s "$secrets/$name" ] || { echo "postgres.sh: $secrets/$name is missing or empty; make it with docker/make-secrets.sh" >&2; exit 2; }
  done
  make_databases
fi

exec postgres -D "$PGDATA" -c listen_addresses="${ALMKD_LISTEN:-0.0.0.0}" -c unix_socket_directories=''
