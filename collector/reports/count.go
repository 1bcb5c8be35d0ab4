package reports

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// receipt is one report: its id and when it was received, in Unix milliseconds.
type receipt struct{ id, at int64 }

// count adds to usage_homeservers the reports that are not counted yet. Up to the
// moment proven, times are believed.
func count(ctx context.Context, tx *sqlx.Tx, proven time.Time) error {
	receipts, err := uncounted(ctx, tx)
	if err != nil {
		return err
	}
	for _, homeserver := range slices.Sorted(maps.Keys(receipts)) {
		all := receipts[homeserver]
		var last receipt
		err := tx.QueryRowxContext(ctx, `SELECT latest_id, latest_at FROM usage_homeservers WHERE homeserver = ?`, homeserver).Scan(&last.id, &last.at)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		first := all[0].at
		for _, r := range all {
			first = min(first, r.at)
		}
		last = latestReceipt(last, all, proven.UnixMilli())
		if _, err := tx.ExecContext(ctx, `
			INSERT INTO usage_homeservers (homeserver, first_seen, reports, latest_id, latest_at) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (homeserver) DO UPDATE SET reports = reports + excluded.reports, latest_id = excluded.latest_id, latest_at = excluded.latest_at`,
			homeserver, first, len(all), last.id, last.at); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE usage_counted SET up_to = MAX(up_to, (SELECT COALESCE(MAX(id), 0) FROM usage_reports))`)
	return err
}

// uncounted returns the reports that are not counted yet, by homeserver and in the
// order in which they came.
func uncounted(ctx context.Context, tx *sqlx.Tx) (map[string][]receipt, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, homeserver, received_at FROM usage_reports WHERE id > (SELECT up_to FROM usage_counted) ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	all := make(map[string][]receipt)
	for rows.Next() {
		var homeserver string
		var r receipt
		if err := rows.Scan(&r.id, &homeserver, &r.at); err != nil {
			return nil, err
		}
		all[homeserver] = append(all[homeserver], r)
	}
	return all, rows.Err()
}

// latestReceipt returns the newest of the last report that was counted and those that came
// after it. One that seems older than the one before it came while the clock was
// behind, or the one before it came while the clock was ahead: that depends on
// whether the time of the one before is believed.
func latestReceipt(last receipt, all []receipt, proven int64) receipt {
	for _, r := range all {
		if r.at >= last.at || last.at > proven {
			last = r
		}
	}
	return last
}
