package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The invented virtual hosts: one as Prosody 0.12 stores activity, one as
// Prosody 13 does.
const (
	oldHost = "example.org"
	newHost = "chat.example.org"
)

// Prosody makes the data directory of an invented Prosody with the given
// number of users, two thirds of them on the first host.
func Prosody(ctx context.Context, directory string, now time.Time, users int, seed uint64) error {
	people := population(now, users, seed+1)
	for i, p := range people {
		if err := ctx.Err(); err != nil {
			return err
		}
		host, store := hostOf(i), "lastlog2"
		if host == newHost {
			store = "account_activity"
		}
		account := fmt.Sprintf("\t[\"iteration_count\"] = 10000;\n\t[\"created\"] = %d;\n", now.Add(-time.Duration(p.joined)*day).Unix())
		if p.kind == deactivated && host == newHost {
			account += "\t[\"disabled\"] = true;\n"
		}
		if err := writeRecord(directory, host, "accounts", p.name, account); err != nil {
			return err
		}
		if len(p.seen) == 0 {
			continue // never logged in
		}
		last := p.seen[len(p.seen)-1].last.Unix()
		activity := fmt.Sprintf("\t[\"timestamp\"] = %d;\n", last)
		if store == "lastlog2" {
			activity = fmt.Sprintf("\t[\"login\"] = {\n\t\t[\"timestamp\"] = %d;\n\t};\n\t[\"logout\"] = {\n\t\t[\"timestamp\"] = %d;\n\t};\n", last-1800, last)
		}
		if err := writeRecord(directory, host, store, p.name, activity); err != nil {
			return err
		}
	}
	return nil
}

// writeRecord writes the fields of one user's record as util.serialization
// does.
func writeRecord(directory, host, store, user, fields string) error {
	folder := filepath.Join(directory, strings.ReplaceAll(host, ".", "%2e"), store)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, user+".dat"), []byte("return {\n"+fields+"};\n"), 0o600)
}

// StatusPage is the page of mod_http_status of the invented Prosody, with one
// module in trouble and one that is no longer well.
func StatusPage(now time.Time) http.Handler {
	type state struct {
		Type    string    `json:"type"`
		Message string    `json:"message"`
		Time    time.Time `json:"time"`
	}
	started := now.Add(-9 * day).UTC().Truncate(time.Second)
	loaded := func(names ...string) map[string]state {
		states := make(map[string]state)
		for _, n := range names {
			states[n] = state{"core", "Loaded", started}
		}
		return states
	}
	page := map[string]map[string]state{
		"*":     loaded("c2s", "http", "http_status", "s2s", "tls", "posix"),
		oldHost: loaded("bookmarks", "carbons", "csi_simple", "disco", "lastlog2", "mam", "pep", "ping", "register", "roster", "saslauth", "smacks", "vcard4"),
		newHost: loaded("account_activity", "bookmarks", "carbons", "cloud_notify", "disco", "mam", "pep", "roster", "saslauth", "smacks"),
	}
	page[oldHost]["mam"] = state{"error", "Database connection lost", started.Add(5 * day)}
	page[newHost]["cloud_notify"] = state{"warn", "Push service slow to answer", started.Add(8 * day)}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(page)
	})
}
