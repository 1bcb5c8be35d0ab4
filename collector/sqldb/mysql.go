package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jmoiron/sqlx"
)

// mysqlConfig reads a URL, which is how all databases are written here; the
// driver has a notation of its own.
func mysqlConfig(location string) (*mysql.Config, error) {
	u, err := url.Parse(location)
	if err != nil || u.Opaque != "" || strayPassword(u) {
		return nil, errors.New("not a valid URL: write mysql://USER@HOST:PORT/DATABASE, with special characters of a password percent-encoded")
	}
	c := mysql.NewConfig()
	c.User = u.User.Username()
	c.Passwd, _ = u.User.Password()
	c.Net, c.Addr = "tcp", u.Host
	if c.Addr != "" && u.Port() == "" {
		c.Addr = net.JoinHostPort(u.Hostname(), "3306")
	}
	if c.DBName = strings.TrimPrefix(u.Path, "/"); c.DBName == "" {
		return nil, errors.New("no database named: write mysql://USER@HOST:PORT/DATABASE")
	}
	for option, values := range u.Query() {
		switch value := values[0]; option {
		case "socket":
			c.Net, c.Addr = "unix", value
		case "tls":
			if value != "true" && value != "skip-verify" && value != "preferred" {
				return nil, fmt.Errorf("tls=%s: want true, skip-verify or preferred", value)
			}
			c.TLSConfig = value
		default:
			return nil, fmt.Errorf("option %s is not known: socket and tls are", option)
		}
	}
	c.Timeout = connectTimeout
	c.Loc, c.ParseTime = time.UTC, true
	// Standard SQL's quotes for names, so that statements are the same for all
	// engines; times as UTC.
	c.Params = map[string]string{"sql_mode": "'ANSI_QUOTES'", "time_zone": "'+00:00'"}
	// The driver logs broken connections by itself: its errors say as much.
	c.Logger = &mysql.NopLogger{}
	return c, nil
}

func (s Source) readMySQL(ctx context.Context, o Options, read func(context.Context, View) error) error {
	config, err := mysqlConfig(s.dsn)
	if err != nil {
		return err
	}
	if config.Passwd, err = o.password(config.Passwd); err != nil {
		return err
	}
	if s.authorities != "" {
		config.TLSConfig, config.AllowFallbackToPlaintext = "", false
		if config.TLS, err = trusting(s.authorities); err != nil {
			return err
		}
	}
	withBoundedPackets(config)
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sqlx.NewDb(sql.OpenDB(connector), "mysql")
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)

	var version string
	if err := db.GetContext(ctx, &version, `SELECT VERSION()`); err != nil {
		return err
	}
	// The same limits as for PostgreSQL: a second for a lock, five minutes for a
	// statement, for which the two servers differ.
	statement := `max_execution_time = 300000`
	if strings.Contains(version, "MariaDB") {
		statement = `max_statement_time = 300`
	}
	if _, err := db.ExecContext(ctx, `SET SESSION lock_wait_timeout = 1, `+statement); err != nil {
		return fmt.Errorf("set a time-out: %w", err)
	}
	tx, err := db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	version, _, _ = strings.Cut(version, "-") // "10.11.19-MariaDB-0+deb12u1"
	return read(ctx, View{Tx: tx, Engine: MySQL, Version: version})
}
