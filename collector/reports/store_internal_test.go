package reports

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// refusing is a database that refuses some reports, and with them the batch that they
// are in, as PostgreSQL does.
type refusing struct {
	database
	err     error
	written []string
	tries   int
}

func (d *refusing) write(_ context.Context, batch []*pending) error {
	d.tries++
	for _, p := range batch {
		if p.homeserver == "refused" {
			return d.err
		}
	}
	for _, p := range batch {
		d.written = append(d.written, p.homeserver)
	}
	return nil
}

func reportsOf(names ...string) (batch []*pending) {
	for _, name := range names {
		batch = append(batch, &pending{homeserver: name, done: make(chan error, 1)})
	}
	return batch
}

func TestARefusedReportCostsNoOther(t *testing.T) {
	refused := &pgconn.PgError{Code: "22021", Message: "invalid byte sequence"}
	db := &refusing{err: refused}
	s := &store{database: db}
	batch := reportsOf("a", "refused", "b")
	s.writeEach(t.Context(), batch)
	for i, want := range []error{nil, refused, nil} {
		if got := <-batch[i].done; !errors.Is(got, want) {
			t.Errorf("report %d: %v, want %v", i, got, want)
		}
	}
	if len(db.written) != 2 {
		t.Errorf("written %q", db.written)
	}
}

// A database that is gone is not asked once for each report.
func TestADatabaseThatIsGoneIsAskedOnce(t *testing.T) {
	db := &refusing{err: errors.New("connection refused")}
	s := &store{database: db}
	batch := reportsOf("a", "refused", "b")
	s.writeEach(t.Context(), batch)
	for _, p := range batch {
		if <-p.done == nil {
			t.Error("a report that is not stored was acknowledged")
		}
	}
	if db.tries != 1 {
		t.Errorf("%d tries", db.tries)
	}
}
