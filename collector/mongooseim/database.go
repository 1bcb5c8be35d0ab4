package mongooseim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
)

// domainColumn is there since 5.0 (priv/pg.sql, priv/mysql.sql). It holds
// domains, not host types.
const domainColumn = "server"

// newAccount is how long an account counts as created.
const newAccount = 24 * time.Hour

var (
	errNoLast   = errors.New("no table last, or no permission to read it: is this the database of MongooseIM?")
	errWhichOne = errors.New("its tables do not say of which domain they are (MongooseIM before 5.0): name it with domain")
)

// reading is the reading of the database.
type reading struct {
	sqldb.View
	host  string // of a database without the column server
	now   time.Time
	found collector.DomainSet
	rec   activity.Recorder
	// domains says which rows count.
	domains *hosting
}

// readDatabases adds what the databases hold to what is found, and returns what
// kind the first one is and the id of the cluster, "" if it is not there.
func (r *Reader) readDatabases(ctx context.Context, domains *hosting, now time.Time, found collector.DomainSet, rec activity.Recorder) (kind, cluster string, err error) {
	if r.options.Database.IsZero() {
		return "", "", nil
	}
	for _, source := range slices.Concat([]sqldb.Source{r.options.Database}, r.options.OtherDatabases) {
		oneKind, oneCluster, err := r.readDatabase(ctx, source, domains, now, found, rec)
		if err != nil {
			return "", "", err
		}
		kind, cluster = cmp.Or(kind, oneKind), cmp.Or(cluster, oneCluster)
	}
	return kind, cluster, nil
}

func (r *Reader) readDatabase(ctx context.Context, source sqldb.Source, domains *hosting, now time.Time, found collector.DomainSet, rec activity.Recorder) (kind, cluster string, err error) {
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	err = source.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		kind = strings.TrimSpace(string(view.Engine) + " " + view.Version)
		host := r.options.Host
		if host == "" && len(domains.served) == 1 {
			host = domains.served[0]
		}
		reading := reading{view, host, now, found, rec, domains}
		err := domains.readTypes(ctx, view)
		if err != nil {
			return fmt.Errorf("read the table domain_settings: %w", err)
		}
		if domains.needed(accountsOf) {
			if err := reading.accounts(ctx); err != nil {
				return fmt.Errorf("read the table users: %w", err)
			}
		}
		if domains.needed(lastOf) {
			if err := reading.last(ctx); err != nil {
				return fmt.Errorf("read the table last: %w", err)
			}
		}
		if cluster, err = reading.clusterID(ctx); err != nil {
			return fmt.Errorf("read the table mongoose_cluster_id: %w", err)
		}
		return nil
	})
	return kind, cluster, err
}

// last reads who was last there when. Without any row, mod_last has another
// backend or is not loaded; a domain without one is new or deserted.
func (r *reading) last(ctx context.Context) error {
	columns, err := r.Columns(ctx, "last")
	if err != nil {
		return err
	}
	if !slices.Contains(columns, "seconds") {
		return errNoLast
	}
	column := domainColumn
	if !slices.Contains(columns, domainColumn) {
		if r.host == "" {
			return errWhichOne
		}
		column = "username"
	}
	name := []byte(r.host)
	oldest := r.now.Add(-activity.MaxWindow).Unix()
	rows := 0
	// A scan of the table: its index (server, seconds) begins with the domain,
	// and nearly all rows are wanted. Never the column state, which people
	// write.
	err = r.Stream(ctx, `SELECT `+column+`, username, seconds FROM "last"`, 3, func(row *sqldb.Row) {
		if column == domainColumn {
			name = row.Text(0)
		}
		if !r.domains.inSQL(name, lastOf) {
			return
		}
		rows++
		r.found.Of(name)
		seconds := row.Integer(2)
		if at := time.Unix(seconds, 0); seconds > oldest {
			r.rec.Seen(name, row.Text(1), activity.Unknown, at)
		} else {
			r.rec.Exists(name, row.Text(1), activity.AgeOf(r.now, at))
		}
	})
	for name, d := range r.found {
		if h, known := r.domains.storage(name); !known || h.Last == chatserver.InSQL {
			d.HasLastSeen = rows > 0
		}
	}
	return err
}

// accounts reads the accounts. Servers that keep them elsewhere, as with LDAP, have
// none here.
func (r *reading) accounts(ctx context.Context) error {
	columns, err := r.Columns(ctx, "users")
	if err != nil || !slices.Contains(columns, "username") {
		return err
	}
	named, domain := slices.Contains(columns, domainColumn), domainColumn
	if !named {
		if r.host == "" {
			return nil // the table last is the same, and says so
		}
		domain = `''`
	}
	dated, created := slices.Contains(columns, "created_at"), `0`
	if dated {
		created = `CASE WHEN ` + r.createdAfter(r.now.Add(-newAccount)) + ` THEN 1 ELSE 0 END`
	}
	// A scan of the table, whose primary key is (server, username).
	return r.Stream(ctx, `SELECT `+domain+`, username, `+created+` FROM users`, 3, func(row *sqldb.Row) {
		name := row.Text(0)
		if !named {
			name = []byte(r.host)
		}
		if !r.domains.inSQL(name, accountsOf) {
			return
		}
		found := r.found.Of(name)
		found.AllAccounts = true
		found.Registered = collector.Known(found.Registered.Number + 1)
		if dated {
			found.Created = collector.Known(found.Created.Number + int(row.Integer(2)))
		}
		r.rec.Account(name, row.Text(1), activity.Native, activity.Unremembered)
	})
}

// createdAfter returns a condition on created_at, a time without zone. It is
// written as the database's own local time, which MySQL converts to that of
// our connection and PostgreSQL is asked to.
func (r *reading) createdAfter(t time.Time) string {
	switch r.Engine {
	case sqldb.MySQL:
		return fmt.Sprintf(`created_at > FROM_UNIXTIME(%d)`, t.Unix())
	case sqldb.SQLite:
		return fmt.Sprintf(`created_at > datetime(%d, 'unixepoch')`, t.Unix())
	default:
		return fmt.Sprintf(`CAST(created_at AS timestamptz) > to_timestamp(%d)`, t.Unix())
	}
}
