package synapse_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/synapse/synapsetest"
)

// reportSQL is what Synapse's usage report asks the database beside r30v2, a statement for
// each figure; the first event of the day is found by its moment, which costs as little as
// Synapse's bisection.
const reportSQL = `
SELECT COUNT(DISTINCT user_id) FROM user_ips WHERE last_seen > %[1]d;
SELECT COUNT(DISTINCT user_id) FROM user_ips WHERE last_seen > %[2]d;
SELECT COUNT(*) FROM users;
SELECT COUNT(*) FROM users WHERE appservice_id IS NULL;
SELECT is_guest, appservice_id IS NULL, COUNT(*) FROM users WHERE creation_ts > %[3]d GROUP BY 1, 2;
SELECT COUNT(*) FROM rooms;
SELECT COUNT(*) FROM events WHERE type = 'm.room.message' AND stream_ordering > %[4]d;
SELECT COUNT(*) FROM events WHERE type = 'm.room.message' AND sender LIKE '%%:` + synapsetest.Server + `' AND stream_ordering > %[4]d;
SELECT COUNT(DISTINCT room_id) FROM events WHERE type = 'm.room.message' AND stream_ordering > %[4]d;
SELECT COUNT(*) FROM events WHERE type = 'm.room.encrypted' AND stream_ordering > %[4]d;
SELECT COUNT(*) FROM events WHERE type = 'm.room.encrypted' AND sender LIKE '%%:` + synapsetest.Server + `' AND stream_ordering > %[4]d;
SELECT COUNT(DISTINCT room_id) FROM events WHERE type = 'm.room.encrypted' AND stream_ordering > %[4]d`

// beforeSQL is what an exporter asks that scans at each refresh, beside activity.
const beforeSQL = `
SELECT is_guest, CASE WHEN appservice_id IS NULL THEN 0 WHEN appservice_id = '' THEN 1 ELSE 2 END, deactivated <> 0, CASE WHEN creation_ts > %[3]d THEN 1 ELSE 0 END,
	CASE WHEN deactivated <> 0 THEN 6 WHEN is_guest = 1 THEN 3 WHEN appservice_id <> '' THEN 2 WHEN user_type = 'bot' THEN 4 ELSE 1 END, COUNT(*)
FROM users GROUP BY 1, 2, 3, 4, 5;
SELECT COUNT(*) FROM rooms;
SELECT COUNT(CASE WHEN type = 'm.room.message' THEN 1 END), COUNT(CASE WHEN type = 'm.room.encrypted' THEN 1 END),
	COUNT(CASE WHEN type = 'm.room.message' AND sender LIKE '%%:` + synapsetest.Server + `' THEN 1 END), COUNT(CASE WHEN type = 'm.room.encrypted' AND sender LIKE '%%:` + synapsetest.Server + `' THEN 1 END),
	COUNT(DISTINCT CASE WHEN type = 'm.room.message' THEN room_id END), COUNT(DISTINCT CASE WHEN type = 'm.room.encrypted' THEN room_id END)
FROM events WHERE type IN ('m.room.message', 'm.room.encrypted') AND stream_ordering > %[4]d`

// changes are what administrators and newcomers do in an hour that makes a scan of each
// table necessary.
const changes = `UPDATE users SET deactivated = 1 WHERE name = (SELECT name FROM users WHERE deactivated = 0 LIMIT 1);
UPDATE room_stats_current SET local_users_in_room = local_users_in_room + 1 WHERE room_id = (SELECT room_id FROM rooms LIMIT 1);
UPDATE destinations SET failure_ts = 1 WHERE destination = (SELECT destination FROM destinations LIMIT 1);
INSERT INTO rooms SELECT '!new' || random()`

// lastHour is the hour before now, which can be played again: what Synapse writes in it is
// taken out of the database and put back, all of it or minute by minute.
type lastHour struct {
	server     *dbtest.Server
	connection *pgx.Conn
	before     *activity.Calendar // after a refresh at its beginning
	now        time.Time
}

// later are the tables that grow, with the condition for rows of the hour and the moment of
// a row in minutes. Synapse writes visits every five minutes.
func (h *lastHour) later() [][3]string {
	from := h.now.Add(-time.Hour).UnixMilli()
	visits := fmt.Sprintf(`timestamp = %d AND ABS(HASHTEXT(user_id || device_id)) %% %d = 0`, activity.DayOf(h.now).Start().UnixMilli(), max(1, h.now.Hour()))
	return [][3]string{
		{"events", fmt.Sprintf(`received_ts > %d`, from), fmt.Sprintf(`(received_ts - %d) / 60000`, from)},
		{"user_ips", fmt.Sprintf(`last_seen > %d`, from), fmt.Sprintf(`(last_seen - %d) / 60000`, from)},
		{"user_daily_visits", visits, `5 * (ABS(HASHTEXT(device_id || user_id)) % 12)`},
	}
}

// takeOut begins the hour.
func (h *lastHour) takeOut(b *testing.B) {
	b.Helper()
	for _, t := range h.later() {
		h.exec(b, fmt.Sprintf(`CREATE TABLE IF NOT EXISTS later_%[1]s AS SELECT *, %[3]s AS minute FROM %[1]s WHERE %[2]s`, t[0], t[1], t[2]))
		h.exec(b, fmt.Sprintf(`DELETE FROM %s WHERE %s`, t[0], t[1]))
		h.exec(b, `VACUUM ANALYZE `+t[0])
	}
	h.withoutGaps(b)
}

// withoutGaps leaves the visits as they are long after a vacuum: Synapse deletes none, all
// can be seen by everybody, and the ends of pages that the last vacuum found too large are
// filled.
func (h *lastHour) withoutGaps(b *testing.B) {
	b.Helper()
	h.exec(b, `DO $$ DECLARE file text := current_setting('data_directory') || '/visits'; index record; indexes text[]; BEGIN
		EXECUTE format('COPY user_daily_visits TO %L', file);
		FOR index IN SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE tablename = 'user_daily_visits' LOOP
			EXECUTE format('DROP INDEX %I', index.name);
			indexes := indexes || index.definition;
		END LOOP;
		TRUNCATE user_daily_visits;
		EXECUTE format('COPY user_daily_visits FROM %L (FREEZE)', file);
		EXECUTE array_to_string(indexes, ';');
	END $$`)
	h.exec(b, `ANALYZE user_daily_visits`)
}

// putBack lets minutes of the hour pass, the last excluded.
func (h *lastHour) putBack(b *testing.B, from, to int) {
	b.Helper()
	for name, columns := range map[string]string{
		"events": "stream_ordering, type, room_id, sender, received_ts", "user_ips": "user_id, access_token, device_id, ip, user_agent, last_seen",
		"user_daily_visits": "user_id, device_id, timestamp, user_agent",
	} {
		h.exec(b, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM later_%[1]s WHERE minute >= %[3]d AND minute < %[4]d`, name, columns, from, to))
	}
}

func (h *lastHour) exec(b *testing.B, statement string) {
	b.Helper()
	if _, err := h.connection.Exec(b.Context(), statement, pgx.QueryExecModeSimpleProtocol); err != nil {
		b.Fatalf("%s: %v", statement, err)
	}
	// Else the server's statistics know of it some seconds later.
	if _, err := h.connection.Exec(b.Context(), `SELECT pg_stat_force_next_flush()`); err != nil {
		b.Fatal(err)
	}
}

// begin refreshes at the beginning of the hour until nothing of the past is left to read.
func (h *lastHour) begin(b *testing.B, classes *activity.Classes) {
	b.Helper()
	h.takeOut(b)
	began := h.now.Add(-time.Hour)
	reader := readerOf(b, h.server.Location)
	h.before = activity.NewCalendar(activity.Key{1}, classes)
	readBatched(b, reader, time.Time{}, began, h.before)
	for range 4 {
		readBatched(b, reader, began, began, h.before)
	}
	h.before.Compact(activity.DayOf(h.now))
}

// hourly returns the database's processor time of one refresh at the end of the hour; after
// statements if there are any.
func (h *lastHour) hourly(b *testing.B, statements string) (cpu time.Duration) {
	b.Helper()
	if statements == "" {
		total, _ := measured(b, h.server, func() {
			for range refreshes {
				reader := readerOf(b, h.server.Location)
				readBatched(b, reader, h.now.Add(-time.Hour), h.now, h.before.Clone())
				if err := reader.Close(); err != nil { // as after an hour
					b.Fatal(err)
				}
			}
		})
		return total / refreshes
	}
	h.exec(b, statements)
	cpu, _ = measured(b, h.server, func() { readBatched(b, readerOf(b, h.server.Location), h.now.Add(-time.Hour), h.now, h.before.Clone()) })
	return cpu
}

// minutes returns the database's processor time of sixty refreshes within the hour.
func (h *lastHour) minutes(b *testing.B) (cpu time.Duration) {
	b.Helper()
	h.takeOut(b)
	calendar, since := h.before.Clone(), h.now.Add(-time.Hour)
	reader := readerOf(b, h.server.Location)
	readBatched(b, reader, since, since, calendar)
	for minute := range 60 {
		h.putBack(b, minute, minute+1)
		calendar = calendar.Clone()
		once, _ := measured(b, h.server, func() { readBatched(b, reader, since, since.Add(time.Minute), calendar) })
		cpu, since = cpu+once, since.Add(time.Minute)
	}
	h.putBack(b, 60, 1000)
	return cpu
}

// statements returns what some statements cost.
func (h *lastHour) statements(b *testing.B, connection *pgx.Conn, format string) time.Duration {
	b.Helper()
	var first int64
	day := h.now.Add(-24 * time.Hour)
	if err := connection.QueryRow(b.Context(), `SELECT MIN(stream_ordering) FROM events WHERE received_ts >= $1`, day.UnixMilli()).Scan(&first); err != nil {
		b.Fatal(err)
	}
	query := fmt.Sprintf(format, day.UnixMilli(), h.now.AddDate(0, 0, -30).UnixMilli(), day.Unix(), first)
	cpu, _ := measured(b, h.server, func() {
		if _, err := connection.Exec(b.Context(), query, pgx.QueryExecModeSimpleProtocol); err != nil {
			b.Fatal(err)
		}
	})
	return cpu
}
