package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/failure"
)

const connectTimeout = 10 * time.Second

// readSettings are set in each transaction, not at connection, where poolers such as
// PgBouncer would refuse it. The statement time-out (five minutes) ends a
// statement on the server even when the exporter itself is gone; the longest,
// the first load of a large server, takes seconds. Parallel workers and the
// compilation of queries cost a server more than they give for statements as
// simple as ours; waiting for a lock is never worth it.
const readSettings = `SET LOCAL statement_timeout = 300000;
SET LOCAL lock_timeout = 1000;
SET LOCAL idle_in_transaction_session_timeout = 60000`

// postgresOnlySettings are those that CockroachDB does not know. Row-level security
// would hide rows without a word, and make active users too few: without it, the
// statement fails.
const postgresOnlySettings = `SET LOCAL row_security = off;
SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL jit = off`

// OpenPostgreSQL opens a database that belongs to the exporter itself.
func OpenPostgreSQL(location string) (*sqlx.DB, error) {
	config, err := pgx.ParseConfig(location)
	if err != nil {
		return nil, failure.New(failure.Unexpected, "not a valid PostgreSQL URL: %s", withoutLocation(err))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.RuntimeParams["application_name"] = "active_users_exporter"
	return sqlx.NewDb(stdlib.OpenDB(*config), "postgres"), nil
}

func (s Source) readPostgreSQL(ctx context.Context, o Options, read func(context.Context, View) error) error {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return failure.New(failure.Unexpected, "%s", withoutLocation(err))
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.RuntimeParams["application_name"] = "active_users_exporter"
	// Named prepared statements do not survive a transaction-level pooler.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec

	kept := o.Kept
	if kept == nil {
		kept = &Kept{}
		defer func() { _ = kept.Close() }()
	}
	db := kept.open(func() *sqlx.DB {
		db := sqlx.NewDb(stdlib.OpenDB(*config, stdlib.OptionBeforeConnect(func(_ context.Context, config *pgx.ConnConfig) error {
			return s.readSecrets(o, config)
		}), stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }), stdlib.OptionResetSession(isAlive)), "postgres")
		db.SetMaxOpenConns(1)
		return db
	})

	conn, err := db.Connx(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if o.Before != nil {
		if err := o.Before(ctx, conn); err != nil {
			return err
		}
	}
	tx, err := conn.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	cockroach, err := IsCockroachDB(conn)
	if err != nil {
		return err
	}
	settings := readSettings + ";" + postgresOnlySettings
	if cockroach {
		settings = readSettings
	}
	var version string
	err = conn.Raw(func(driver any) error {
		connection := driver.(*stdlib.Conn).Conn().PgConn()
		version, _, _ = strings.Cut(connection.ParameterStatus("server_version"), " ") // "15.18 (Debian 15.18-0+deb12u1)"
		return connection.Exec(ctx, settings).Close()
	})
	if err != nil {
		return fmt.Errorf("set time-outs: %w", err)
	}
	view := View{Tx: tx, Engine: PostgreSQL, Version: version}
	if !cockroach { // which has no COPY in binary form to us
		view.conn = conn.Conn
	}
	return read(ctx, view)
}

// isAlive says whether a connection that was kept still answers; if not, another one is
// made.
func isAlive(ctx context.Context, connection *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if connection.Ping(ctx) != nil {
		return driver.ErrBadConn
	}
	return nil
}

// readSecrets sets what files may say otherwise at each connection.
func (s Source) readSecrets(o Options, config *pgx.ConnConfig) (err error) {
	if config.Password, err = o.password(config.Password); err == nil && s.authorities != "" {
		config.TLSConfig, err = trusting(s.authorities)
	}
	return err
}

// IsCockroachDB says whether a server with PostgreSQL's protocol is CockroachDB: it
// sends its own version when a connection begins.
func IsCockroachDB(conn *sqlx.Conn) (is bool, err error) {
	err = conn.Raw(func(driver any) error {
		is = driver.(*stdlib.Conn).Conn().PgConn().ParameterStatus("crdb_version") != ""
		return nil
	})
	return is, err
}
