package sqldb_test

import (
	"context"
	"testing"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// What is asked before the view is older than the view, and what it fails with is the
// error of the Read.
func TestBeforeTheView(t *testing.T) {
	location := dbtest.PostgreSQL(t)
	dbtest.Exec(t, location, `CREATE TABLE happened (what TEXT)`)
	source := must.Get(sqldb.ParseSource(location))(t)
	happen := func() { dbtest.Exec(t, location, `INSERT INTO happened VALUES ('in between')`) }
	before := func(ctx context.Context, connection sqlx.QueryerContext) error {
		var there int
		must.Succeed(t, sqlx.GetContext(ctx, connection, &there, `SELECT COUNT(*) FROM happened`))
		if there != 0 {
			t.Errorf("%d rows are there before anything happened", there)
		}
		happen()
		return nil
	}
	must.Succeed(t, source.Read(t.Context(), sqldb.Options{Before: before}, func(ctx context.Context, view sqldb.View) error {
		var there int
		must.Succeed(t, view.GetContext(ctx, &there, `SELECT COUNT(*) FROM happened`))
		if there != 1 {
			t.Error("what happened before the view began is not in it")
		}
		return nil
	}))
	failing := sqldb.Options{Before: func(context.Context, sqlx.QueryerContext) error { return context.DeadlineExceeded }}
	if err := source.Read(t.Context(), failing, func(context.Context, sqldb.View) error { return nil }); err == nil {
		t.Error("an error before the view is no error of the Read")
	}
}
