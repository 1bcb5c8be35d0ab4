package prosody

import (
	"encoding/json"
	"errors"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody/luadata"
)

// clientUse is one client of a user's: what it calls itself, "" if it does not
// say, and when it logged in last, in Unix seconds.
type clientUse struct {
	software string
	at       float64
}

// readClients reads a record of the store clients (mod_client_management): a
// table for each client, by its id.
func readClients(record []byte) ([]clientUse, error) {
	if len(record) == 0 {
		return nil, errEmpty
	}
	byID := make(map[string]*clientUse)
	use := func(id luadata.Value) *clientUse {
		name := string(id.Text)
		if byID[name] == nil {
			byID[name] = &clientUse{}
		}
		return byID[name]
	}
	err := luadata.Scan(record, func(path []luadata.Value, v luadata.Value) {
		switch {
		case len(path) == 2 && path[1].Is("last_seen"):
			if at, ok := v.Number(); ok {
				use(path[0]).at = at
			}
		case len(path) == 3 && path[1].Is("user_agent") && path[2].Is("software") && v.Kind == luadata.String:
			use(path[0]).software = string(v.Text)
		}
	})
	if err != nil {
		return nil, err
	}
	var uses []clientUse
	for _, u := range byID {
		uses = append(uses, *u)
	}
	return uses, nil
}

var errClient = errors.New("not what Prosody writes for a client")

// clientOfJSON reads the value of one client in SQL storage.
func clientOfJSON(kind, value []byte) (clientUse, error) {
	var client struct {
		LastSeen  float64         `json:"last_seen"`
		UserAgent json.RawMessage `json:"user_agent"` // an object, or [] when empty
	}
	if string(kind) != "json" || json.Unmarshal(value, &client) != nil {
		return clientUse{}, errClient
	}
	var agent struct {
		Software string `json:"software"`
	}
	if err := json.Unmarshal(client.UserAgent, &agent); err != nil {
		agent.Software = "" // the empty table
	}
	return clientUse{agent.Software, client.LastSeen}, nil
}

// seen reports a user's last activity, with the client that logged in last, and
// the last logins of the others. What a client says of itself is sorted like a
// user agent.
func (r *Reader) seen(rec activity.Recorder, domain, user []byte, at time.Time, uses []clientUse) {
	latest := activity.Unknown
	newest := -1.0
	for _, u := range uses {
		if u.at > newest {
			newest, latest = u.at, r.classes.Of([]byte(u.software))
		}
	}
	rec.Seen(domain, user, latest, at)
	for _, u := range uses {
		login := timeOf(u.at)
		if login.After(at) {
			login = at
		}
		rec.Seen(domain, user, r.classes.Of([]byte(u.software)), login)
	}
}
