package demo

import (
	"encoding/json"
	"math"
	"time"

	"active_users_exporter/collector/reports"
)

// community is a homeserver that reports its usage.
type community struct {
	name, context, database, version string
	users                            float64 // accounts
}

// reporting are the homeservers of Reports. The first is that of Synapse, whose
// database is read as well: of its reports, the figures of the process are new.
func reporting() []community {
	return []community{
		{homeserver, "", "sqlite3", "3.53.4", 3000},
		{"forest.example", "community", "psycopg2", "15.18", 5600},
		{"river.example", "community", "psycopg2", "15.18", 15600},
		{"school-north.example", "school", "psycopg2", "15.18", 2800},
		{"school-south.example", "school", "psycopg2", "15.18", 1900},
		{"town.example", "", "sqlite3", "3.45.1", 1200},
	}
}

const (
	// reportEvery is how often Synapse reports
	// (synapse/app/phone_stats_home.py, 1.160).
	reportEvery = 3 * time.Hour
	reportDays  = 28
)

// Reports are what some homeservers have pushed in the four weeks before now.
func Reports(now time.Time) (all []reports.Archived, err error) {
	for n, c := range reporting() {
		for at := now.AddDate(0, 0, -reportDays).Add(time.Duration(n) * 17 * time.Minute); at.Before(now); at = at.Add(reportEvery) {
			body, err := json.Marshal(c.report(at, now))
			if err != nil {
				return nil, err
			}
			all = append(all, reports.Archived{Received: at, Report: body})
		}
	}
	return all, nil
}

// report is what a homeserver says at a moment: it has grown by a twentieth since
// the first, and is quieter at weekends.
func (c community) report(at, now time.Time) map[string]any {
	users := c.users * (1 - 0.05*now.Sub(at).Hours()/24/reportDays)
	active := users
	if day := at.UTC().Weekday(); day == time.Saturday || day == time.Sunday {
		active *= 0.7
	}
	number := func(of float64) int { return int(math.Round(of)) }
	return map[string]any{
		"homeserver": c.name, "server_context": c.context, "timestamp": at.Unix(),
		"total_users": number(users), "total_nonbridged_users": number(0.88 * users), "total_room_count": number(0.55 * users),
		"daily_user_type_native": number(0.005 * active), "daily_user_type_guest": number(0.0005 * active), "daily_user_type_bridged": number(0.002 * active),
		"daily_active_users": number(0.11 * active), "monthly_active_users": number(0.34 * users),
		"daily_active_rooms": number(0.06 * active), "daily_active_e2ee_rooms": number(0.13 * active),
		"daily_messages": number(2.8 * active), "daily_e2ee_messages": number(6.4 * active),
		"daily_sent_messages": number(0.9 * active), "daily_sent_e2ee_messages": number(2.1 * active),
		"r30v2_users_all": number(0.22 * users), "r30v2_users_android": number(0.09 * users), "r30v2_users_ios": number(0.05 * users),
		"r30v2_users_electron": number(0.04 * users), "r30v2_users_web": number(0.06 * users),
		"memory_rss": number(150_000 + 70*active), "cpu_average": number(2 + 0.005*active),
		"uptime_seconds": number(at.Sub(now.AddDate(0, 0, -reportDays-9)).Seconds()),
		"cache_factor":   0.5, "event_cache_size": 10240, "python_version": "3.14.10", "log_level": "INFO",
		"database_engine": c.database, "database_server_version": c.version,
	}
}
