#!/bin/sh
# Makes the role of the exporter, which may do nothing but read what is granted to
# it. PostgreSQL's image runs this once, before Synapse has made its tables.
set -e
psql --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" \
	--set=password="$(cat /run/secrets/exporter)" <<'SQL'
CREATE ROLE exporter LOGIN PASSWORD :'password';
SQL
