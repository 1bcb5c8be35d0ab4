package synapse_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/synapse/synapsetest"
	"active_users_exporter/test/must"
)

// started starts an exporter with the history in a folder.
func started(t *testing.T, location string, folder storage.Location, now *time.Time, options ...func(*collector.RefresherOptions)) (*collector.Refresher, *history.Store) {
	t.Helper()
	store := history.New(folder, "")
	options = append(options, func(o *collector.RefresherOptions) { o.History, o.Key, o.Cache = store, store.Key(), true })
	return newRefresher(t, location, now, options...), store
}

// lookingOnPages makes a reader look for new visits on the last pages however few there are.
func lookingOnPages(o *collector.RefresherOptions) {
	o.Reader.(*synapse.Reader).LimitTo(100_000, 10_000, 1000, 10_000)
}

// An exporter that is started again goes on from what it had counted: figures are always
// those of plain SQL, whatever happened to the server in the meantime.
func TestStartedAgainAndAgain(t *testing.T) {
	engines(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}, func(t *testing.T, db database) {
		random := rand.New(rand.NewPCG(1, 11))
		now, folder := noon, must.Get(storage.Parse(t.TempDir()))(t)
		postgreSQL := db.isPostgreSQL()
		r, store := started(t, db.location, folder, &now, lookingOnPages)
		defer func() { must.Succeed(t, store.Close()) }()
		happened, before := make(map[string]int), now.Add(-time.Hour)
		for step := range 80 {
			for range random.IntN(6) {
				at := before.Add(time.Duration(random.Int64N(int64(now.Sub(before)))))
				switch random.IntN(6) {
				case 0, 1:
					happened["visit"]++
					name := fmt.Sprintf("@user-%08d:big.example", random.IntN(300))
					db.runAndCount(fmt.Sprintf(`INSERT INTO user_ips (user_id, access_token, ip, user_agent, last_seen) VALUES ('%s', 't%d', '::', 'Element Android', %d)`, name, at.UnixNano(), at.UnixMilli()),
						fmt.Sprintf(`INSERT INTO user_daily_visits (user_id, device_id, timestamp, user_agent) VALUES ('%s', 'D%d', %d, 'Element Android')`, name, at.UnixNano(), activity.DayOf(at).Start().UnixMilli()))
				case 2:
					happened["registration"]++
					db.runAndCount(fmt.Sprintf(`INSERT INTO users (name, creation_ts, is_guest, deactivated) VALUES ('@new%d:big.example', %d, 0, 0)`, at.UnixNano(), at.Unix()))
				case 3:
					happened["deactivation"]++
					db.runAndCount(fmt.Sprintf(`UPDATE users SET deactivated = 1 WHERE name = '@user-%08d:big.example'`, random.IntN(300)))
				case 4:
					happened["message"]++
					db.runAndCount(fmt.Sprintf(`INSERT INTO events (stream_ordering, type, room_id, sender, received_ts) SELECT MAX(stream_ordering) + 1, 'm.room.message', '!r%d', '@user-00000001:big.example', %d FROM events`, step%7, now.Add(-time.Second).UnixMilli()))
				case 5:
					happened["room"]++
					db.runAndCount(fmt.Sprintf(`INSERT INTO rooms (room_id) VALUES ('!new%d')`, at.UnixNano()))
				}
			}
			switch event := random.IntN(20); {
			case event == 0:
				happened["backup"]++
				from := now.Add(-time.Duration(random.Int64N(int64(30 * time.Hour))))
				db.runAndCount(fmt.Sprintf(`DELETE FROM user_ips WHERE last_seen > %d`, from.UnixMilli()), fmt.Sprintf(`DELETE FROM devices WHERE last_seen > %d`, from.UnixMilli()),
					fmt.Sprintf(`DELETE FROM events WHERE received_ts > %d`, from.UnixMilli()), fmt.Sprintf(`DELETE FROM users WHERE creation_ts > %d`, from.Unix()),
					fmt.Sprintf(`DELETE FROM user_daily_visits WHERE timestamp > %d`, from.UnixMilli()))
			case event == 1 && postgreSQL:
				happened["statistics are gone"]++
				db.runAndCount(`SELECT pg_stat_reset()`)
			case event == 2 && postgreSQL:
				happened["rewritten"]++
				db.runAndCount(`VACUUM FULL user_daily_visits`, `VACUUM FULL users`)
			case event == 3 && postgreSQL:
				happened["vacuum"]++
				db.runAndCount(`VACUUM`)
			}
			agree(t, fmt.Sprint("refresh ", step), db.truth(t, now), shown(refresh(t, r)))
			isStart := random.IntN(3) == 0
			if isStart {
				happened["start"]++
				r.Close()
				must.Succeed(t, store.Close())
				r, store = started(t, db.location, folder, &now, lookingOnPages)
			}
			before = now
			if now = now.Add(time.Hour + time.Duration(random.Int64N(int64(time.Hour)))); isStart && step%2 == 0 { // it shows at once what has changed
				now = before.Add(time.Minute)
			}
		}
		t.Log(happened)
	})
}

// After a crash the database server's statistics begin again. If they then happen to say the
// same as before, nothing is taken for granted for that, whether the exporter was started
// again or not.
func TestCrashesOfTheDatabaseServer(t *testing.T) {
	server := dbtest.StartPostgreSQL(t)
	must.Succeed(t, synapsetest.Population{Users: 300, Days: 62, Now: noon}.FillPostgreSQL(t.Context(), server.Location))
	db, now := database{location: server.Location}, noon
	for _, restarted := range []bool{false, true} {
		folder := must.Get(storage.Parse(t.TempDir()))(t)
		server.Crash()
		server.Start(t)
		r, store := started(t, server.Location, folder, &now, lookingOnPages)
		agree(t, "at first", db.truth(t, now), shown(refresh(t, r)))
		dbtest.Exec(t, server.Location, fmt.Sprintf(`INSERT INTO rooms (room_id) VALUES ('!lost%t')`, restarted),
			`UPDATE users SET deactivated = 1 WHERE name = (SELECT MIN(name) FROM users WHERE deactivated = 0)`,
			`DELETE FROM destinations WHERE destination = (SELECT MIN(destination) FROM destinations)`)
		server.Crash()
		server.Start(t)
		if restarted {
			r.Close()
			must.Succeed(t, store.Close())
			r, store = started(t, server.Location, folder, &now, lookingOnPages)
		}
		now = now.Add(time.Minute)
		agree(t, fmt.Sprintf("after a crash, the exporter started again: %t", restarted), db.truth(t, now), shown(refresh(t, r)))
		r.Close()
		must.Succeed(t, store.Close())
	}
}
