package dendrite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"active_users_exporter/collector/activity"
)

// dailyColumns are the figures of userapi_daily_stats.
func dailyColumns() (all []string) {
	for _, d := range daily() {
		all = append(all, d.column)
	}
	return all
}

// today returns the figures that Dendrite keeps of the current UTC day, by column, nil
// if there are none. It keeps them only with report_stats enabled, and makes the row of
// a day at its first message: no row means no messages if that is known to be enabled.
func (r *reading) today(ctx context.Context) (map[string]float64, error) {
	columns := dailyColumns()
	values, into := make([]float64, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	today := activity.DayOf(r.now).Start()
	// One row, by the unique index (timestamp, server_name).
	query := r.Rebind(`SELECT ` + strings.Join(columns, ", ") + ` FROM userapi_daily_stats WHERE timestamp = ? AND server_name = ?`)
	err := r.QueryRowContext(ctx, query, today.UnixMilli(), string(r.server)).Scan(into...)
	switch {
	case errors.Is(err, sql.ErrNoRows) && r.countsMessages: // zeros
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	figures := make(map[string]float64)
	for i, column := range columns {
		figures[column] = values[i]
	}
	return figures, nil
}
