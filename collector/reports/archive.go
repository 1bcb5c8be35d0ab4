package reports

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/usagereport"
)

// Archived is a report with the time of its receipt, as it is exported and
// imported: one JSON object in a line.
type Archived struct {
	Received time.Time       `json:"received"`
	Report   json.RawMessage `json:"report"`
}

// Each calls use with every report in a store, a folder or a PostgreSQL
// database, that was received from a moment on and before another, in the order
// of their receipt. A folder or database without a store has none.
func Each(ctx context.Context, location storage.Location, from, to time.Time, use func(Archived) error) error {
	db, order, err := connect(ctx, location)
	if err != nil || db == nil {
		return err
	}
	defer func() { _ = db.Close() }()
	query := db.Rebind(`SELECT received_at, body FROM usage_reports WHERE received_at >= ? AND received_at < ? ORDER BY ` + order)
	rows, err := db.QueryContext(ctx, query, from.UnixMilli(), to.UnixMilli())
	if err != nil {
		return fmt.Errorf("read reports: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var received int64
		var a Archived
		if err := rows.Scan(&received, (*[]byte)(&a.Report)); err != nil {
			return fmt.Errorf("read reports: %w", err)
		}
		a.Received = time.UnixMilli(received).UTC()
		if err := use(a); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read reports: %w", err)
	}
	return nil
}

// connect returns a store to read, nil if there is none, and the columns that
// tell the order of receipt.
func connect(ctx context.Context, location storage.Location) (db *sqlx.DB, order string, err error) {
	if location.Shared() {
		db, err = connectPostgreSQL(ctx, location, func(ctx context.Context, db *sqlx.DB) error {
			err := postgresSchema().Check(ctx, db)
			if errors.Is(err, storage.ErrEarlier) { // reports are what they were
				return nil
			}
			return err
		})
		if errors.Is(err, storage.ErrEmpty) {
			return nil, "", nil
		}
		return db, "received_at, id", err
	}
	if !location.Has(FileName) {
		return nil, "", nil
	}
	db, err = location.Open(FileName)
	return db, "id", err
}

// Import adds reports to a store, a folder or a PostgreSQL database, all or
// none. Those that are there already, and those that are no reports, are left
// out; it returns how many it added.
func Import(ctx context.Context, location storage.Location, reports []Archived) (added int, err error) {
	db, err := openDatabase(ctx, location)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	type key struct {
		received   int64
		homeserver string
	}
	var all []*pending
	known := make(map[key]bool)
	for _, a := range reports {
		r, err := usagereport.Parse(a.Report)
		k := key{a.Received.UnixMilli(), r.Homeserver}
		if err != nil || known[k] {
			continue
		}
		known[k] = true
		all = append(all, &pending{homeserver: r.Homeserver, received: a.Received, body: a.Report})
	}
	if added, err = db.merge(ctx, all); err != nil {
		return 0, fmt.Errorf("import reports: %w", err)
	}
	return added, nil
}

// ImportDatabase returns the reports of another collection server's database: of
// barad-dur if it is PostgreSQL, else of matrix-org's panopticon.
func ImportDatabase(ctx context.Context, source sqldb.Source) (all []Archived, err error) {
	read := readPanopticon
	if source.Engine() == sqldb.PostgreSQL {
		read = readBaradDur
	}
	err = source.Read(ctx, sqldb.Options{}, func(ctx context.Context, view sqldb.View) error {
		all, err = read(ctx, view)
		return err
	})
	return all, err
}

// readPanopticon reads a database, SQLite or MySQL, with a row for each report, with the
// names of the statistics as columns and the time of receipt, in Unix seconds, as
// local_timestamp. Dendrite's are in a table of their own, if there is one.
func readPanopticon(ctx context.Context, view sqldb.View) ([]Archived, error) {
	all, err := collectedRows(ctx, view, "stats", synapseColumns(), nil)
	if err != nil {
		return nil, fmt.Errorf("read the table stats (is this panopticon's database?): %w", err)
	}
	columns, err := view.Columns(ctx, "dendrite_stats")
	if err != nil || len(columns) == 0 {
		return all, err
	}
	more, err := collectedRows(ctx, view, "dendrite_stats", columns, map[string]string{"goos": "go_os", "goarch": "go_arch", "goversion": "go_version"})
	if err != nil {
		return nil, fmt.Errorf("read the table dendrite_stats: %w", err)
	}
	for _, a := range more {
		a.Report = usagereport.Mark(a.Report, "Dendrite/")
		all = append(all, a)
	}
	return all, nil
}

// readBaradDur reads the table that has a row for each report of Synapse and Dendrite,
// as panopticon's, with the time of receipt as a moment.
func readBaradDur(ctx context.Context, view sqldb.View) ([]Archived, error) {
	all, err := collectedRows(ctx, view, "statsreport", synapseColumns(), nil)
	if err != nil {
		return nil, fmt.Errorf("read the table statsreport (is this barad-dur's database?): %w", err)
	}
	return all, nil
}

// synapseColumns are the columns of a report that Synapse may have sent.
func synapseColumns() []string {
	return append(append(usagereport.Names(), usagereport.InfoNames()...), "homeserver")
}

// collectedRows returns the rows of a table as reports, with the given columns;
// some have other names in a report. What only the User-Agent told is kept as if
// the report were received now. Rows without a time of receipt are left out.
func collectedRows(ctx context.Context, view sqldb.View, table string, columns []string, names map[string]string) (all []Archived, err error) {
	rows, err := view.QueryxContext(ctx, `SELECT * FROM `+table)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row := make(map[string]any)
		if err := rows.MapScan(row); err != nil {
			return nil, err
		}
		for name, value := range row {
			if text, ok := value.([]byte); ok { // MySQL's text
				row[name] = string(text)
			}
		}
		at, known := receivedAt(row["local_timestamp"])
		if !known {
			continue
		}
		body, err := reportOf(row, columns, names)
		if err != nil {
			return nil, err
		}
		all = append(all, Archived{at, body})
	}
	return all, rows.Err()
}

// receivedAt reads the time of receipt of a row.
func receivedAt(value any) (at time.Time, known bool) {
	switch value := value.(type) {
	case int64:
		return time.Unix(value, 0).UTC(), true
	case time.Time:
		return value.UTC(), true
	}
	return at, false
}

// reportOf returns the report that a row is of.
func reportOf(row map[string]any, columns []string, names map[string]string) ([]byte, error) {
	report := make(map[string]any)
	for _, column := range columns {
		if value := row[column]; value != nil && !private(column) {
			if n, ok := value.(int64); ok && slices.Contains(usagereport.DendriteInfoNames(), column) {
				value = n != 0 // no database here has truth values
			}
			report[cmp.Or(names[column], column)] = value
		}
	}
	body, err := json.Marshal(report)
	if err != nil {
		return nil, err
	}
	agent, _ := row["user_agent"].(string)
	if _, stored, err := usagereport.ParsePushed(body, agent); err == nil {
		return stored, nil
	}
	return body, nil // no report: Import leaves it out
}

// private says that a column is about who sent a report, or about the row.
func private(column string) bool {
	return slices.Contains([]string{"id", "local_timestamp", "remote_timestamp", "remote_addr", "forwarded_for", "user_agent"}, column)
}
