package years_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

// database is an SQLite file that the server writes.
type database struct {
	t    *testing.T
	path string
	db   *sqlx.DB
}

func (d *database) open() {
	d.db = must.Get(sqldb.CreateSQLite(d.path))(d.t)
	d.db.SetMaxOpenConns(1)
	d.run(`PRAGMA journal_mode = delete`)
	d.run(`PRAGMA synchronous = off`)
}

func (d *database) close() {
	if d.db != nil {
		must.Succeed(d.t, d.db.Close())
		d.db = nil
	}
}

func (d *database) run(statement string, args ...any) {
	_, err := d.db.ExecContext(context.Background(), statement, args...)
	must.Succeed(d.t, err)
}

func (d *database) source() sqldb.Source {
	return must.Get(sqldb.ParseSource("sqlite:" + d.path))(d.t)
}

func (d *database) move(away bool) {
	if away {
		d.close()
		must.Succeed(d.t, os.Rename(d.path, d.path+".away"))
		return
	}
	must.Succeed(d.t, os.Rename(d.path+".away", d.path))
	d.open()
}

func (d *database) backup() (restore func()) {
	content := must.Get(os.ReadFile(d.path))(d.t)
	return func() {
		d.close()
		must.Succeed(d.t, os.Remove(d.path))
		must.Succeed(d.t, os.WriteFile(d.path, content, 0o600))
		d.open()
	}
}

func (d *database) tidy(time.Time) {}
