package prosody

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// hostRows is what the table prosody (mod_storage_sql) holds of one host.
type hostRows struct {
	hasActivity bool // a store account_activity, so it is Prosody 13's
	users       map[string]*times
	accounts    map[string]accountState // nil if the host has none
	uses        map[string][]clientUse  // by user; nil if clients are not recorded
	damaged     int
}

// databaseHosts are the hosts found in a database, by name.
type databaseHosts map[string]*hostRows

// times are a user's last login, logout and activity in Unix seconds, 0 for
// never.
type times struct{ login, logout, activity float64 }

// readDatabase reads SQL storage.
func (r *Reader) readDatabase(ctx context.Context, now time.Time, rec activity.Recorder, server *running) (collector.Facts, error) {
	facts := collector.Facts{Whole: true}
	hosts := make(databaseHosts)
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	err := r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		facts.Database = strings.TrimSpace(string(view.Engine) + " " + view.Version)
		if err := readActivityRows(ctx, view, hosts); err != nil {
			return fmt.Errorf("read lastlog2 and account_activity from the table prosody (is this the database of mod_storage_sql?): %w", err)
		}
		if err := readAccountRows(ctx, view, hosts); err != nil {
			return fmt.Errorf("read accounts from the table prosody: %w", err)
		}
		// A host with clients alone is none that Prosody still keeps.
		maps.DeleteFunc(hosts, func(_ string, h *hostRows) bool { return h.users == nil && h.accounts == nil })
		return nil
	})
	if err != nil {
		return facts, err
	}
	if len(hosts) == 0 && server == nil { // a new server that runs may have none yet
		return facts, fmt.Errorf("%s: the table prosody has no rows of the stores lastlog2, account_activity or accounts: are they kept in files?", r.options.Database)
	}
	oldest := float64(now.Add(-activity.MaxWindow).Unix())
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		if !r.options.serves(name) {
			continue
		}
		h := hosts[name]
		facts.Domains = append(facts.Domains, h.facts(name))
		if h.damaged > 0 {
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("%d damaged records of %s left out: their value is not what Prosody writes there", h.damaged, name))
		}
		for user, t := range h.users {
			at := max(t.login, t.logout, t.activity)
			switch {
			case server.isOnline(name, user):
				r.seen(rec, []byte(name), []byte(user), now, h.uses[user])
			case at > oldest && counts(h.accounts[user], h.hasActivity, h.accounts != nil):
				r.seen(rec, []byte(name), []byte(user), timeOf(at), h.uses[user])
			}
		}
	}
	return facts, nil
}

func (h *hostRows) facts(name string) collector.DomainFacts {
	facts := collector.DomainFacts{Name: name, Activity: h.users != nil, Clients: h.uses != nil, Damaged: h.damaged}
	if h.accounts != nil {
		facts.Registered = map[collector.AccountType]int{collector.Native: len(h.accounts)}
	}
	return facts
}

// of returns the rows of a host, with what was found before.
func (d databaseHosts) of(name []byte) *hostRows {
	h, ok := d[string(name)]
	if !ok {
		h = &hostRows{}
		d[string(name)] = h
	}
	return h
}

// readActivityRows reads who was last there when, and with what clients: a row
// for each of login, logout and registered in lastlog2, a row for the timestamp
// in account_activity, a row for each client. Where a row is there twice, the
// later one counts, as for Prosody. Rows of the empty user belong to the host.
func readActivityRows(ctx context.Context, view sqldb.View, hosts databaseHosts) error {
	// A scan of the table or of its index (host, user, store, key): no index
	// begins with the store.
	const query = `SELECT host, "user", store, "key", type, value FROM prosody
		WHERE store IN ('lastlog2', 'account_activity', 'clients') AND "user" <> ''`
	return view.Stream(ctx, query, 6, func(row *sqldb.Row) {
		name, user, store, key, kind, value := row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4), row.Text(5)
		if !utf8.Valid(name) {
			return
		}
		h := hosts.of(name)
		if string(store) == "clients" {
			h.addClient(user, kind, value)
			return
		}
		if h.users == nil {
			h.users = make(map[string]*times)
		}
		t, ok := h.users[string(user)]
		if !ok {
			t = &times{}
			h.users[string(user)] = t
		}
		var err error
		switch string(store) + " " + string(key) {
		case "lastlog2 login":
			err = timestampIn(&t.login, kind, value)
		case "lastlog2 logout":
			err = timestampIn(&t.logout, kind, value)
		case "account_activity timestamp":
			err = timestamp(&t.activity, kind, value)
		}
		h.hasActivity = h.hasActivity || string(store) == "account_activity"
		if err != nil {
			h.damaged++
		}
	})
}

// readAccountRows reads which accounts there are and which of them are
// disabled. Passwords are in the same store; they stay in the database.
func readAccountRows(ctx context.Context, view sqldb.View, hosts databaseHosts) error {
	// In the order of the index (host, user, store, key).
	const query = `SELECT host, "user", MAX(CASE WHEN "key" = 'disabled' THEN value ELSE '' END) FROM prosody
		WHERE store = 'accounts' AND "user" <> '' GROUP BY host, "user"`
	return view.Stream(ctx, query, 3, func(row *sqldb.Row) {
		if !utf8.Valid(row.Text(0)) {
			return
		}
		h := hosts.of(row.Text(0))
		if h.accounts == nil {
			h.accounts = make(map[string]accountState)
		}
		state := accountEnabled
		if disabled := string(row.Text(2)); disabled != "" && disabled != "false" {
			state = accountDisabled
		}
		h.accounts[string(row.Text(1))] = state
	})
}

// addClient takes a row of the store clients.
func (h *hostRows) addClient(user, kind, value []byte) {
	use, err := clientOfJSON(kind, value)
	if err != nil {
		h.damaged++
		return
	}
	if h.uses == nil {
		h.uses = make(map[string][]clientUse)
	}
	h.uses[string(user)] = append(h.uses[string(user)], use)
}

var errValue = errors.New("not what Prosody writes there")

// timestampIn reads the field timestamp of a table, which is stored as JSON.
func timestampIn(at *float64, kind, value []byte) error {
	var table struct {
		Timestamp *float64 `json:"timestamp"`
	}
	if string(kind) != "json" || json.Unmarshal(value, &table) != nil {
		return errValue
	}
	*at = 0
	if table.Timestamp != nil {
		*at = max(0, *table.Timestamp)
	}
	return nil
}

// timestamp reads a number, which is stored as text.
func timestamp(at *float64, kind, value []byte) error {
	seconds, err := strconv.ParseFloat(string(value), 64)
	if string(kind) != "number" || err != nil {
		return errValue
	}
	*at = 0
	if seconds > 0 { // false for NaN
		*at = seconds
	}
	return nil
}
