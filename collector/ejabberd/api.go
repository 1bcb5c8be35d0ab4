package ejabberd

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/failure"
	"active_users_exporter/collector/webapi"
)

// api asks mod_http_api: a command is a path, its arguments an object. No
// version is put behind it: that asks for the latest since 24.02, and is an
// error before. The answers of 23.01 to 26.07 are understood.
type api struct{ *webapi.Client }

// arguments of a command.
type arguments map[string]string

// maxAccounts is how many accounts are asked for one by one. Each takes the
// server about a millisecond.
const maxAccounts = 100_000

// running is what a running ejabberd answers about itself.
type running struct {
	version string
	hosts   []string // nil if it does not say
	online  map[string]map[string]bool
	// warnings are sentences about what it refused to answer.
	warnings []string
}

func (a api) call(ctx context.Context, command string, args arguments, into any) error {
	body, err := a.Post(ctx, command, args)
	if err != nil {
		return err
	}
	return a.Decode(command, body, into)
}

// list asks for a list.
func (a api) list(ctx context.Context, command string, args arguments) (names []string, err error) {
	if err := a.call(ctx, command, args, &names); err != nil {
		return nil, err
	}
	if names == nil { // null
		return nil, a.Fail(command, failure.Unexpected, "the answer is no list")
	}
	return names, nil
}

// refused says that the server is there, but does not answer this command: it is not
// permitted, or its module is not loaded.
func refused(err error) bool {
	switch webapi.StatusOf(err) {
	case http.StatusForbidden, http.StatusNotFound, http.StatusBadRequest, http.StatusInternalServerError:
		return true
	}
	return false
}

// ask finds out who is connected; without that, it fails.
func (a api) ask(ctx context.Context) (*running, error) {
	r := &running{online: make(map[string]map[string]bool)}
	var status string
	switch err := a.call(ctx, "status", arguments{}, &status); {
	case err == nil:
		r.version = versionIn(status)
	case refused(err):
		r.warnings = append(r.warnings, fmt.Sprintf("the version is not known: %s", err))
	default:
		return nil, err
	}
	hosts, err := a.list(ctx, "registered_vhosts", arguments{})
	switch {
	case err == nil:
		r.hosts = hosts
		for _, h := range hosts {
			r.online[h] = make(map[string]bool)
		}
	case !refused(err):
		return nil, err
	}
	if err := a.connected(ctx, r); err != nil {
		return nil, err
	}
	return r, nil
}

// versionIn finds the version in a sentence such as "The node ejabberd@localhost
// is started. Status: started\nejabberd 26.07 is running in that node".
func versionIn(status string) string {
	if found := regexp.MustCompile(`ejabberd (\d[0-9A-Za-z.+~-]{0,40}) is running`).FindStringSubmatch(status); found != nil {
		return found[1]
	}
	return ""
}

// connected asks for everybody's sessions at once, or else host by host: since
// 26.07 an account may use commands without the argument host alone, and what
// an address may use is up to api_permissions.
func (a api) connected(ctx context.Context, r *running) error {
	sessions, err := a.list(ctx, "connected_users", arguments{})
	if err == nil {
		r.add(sessions)
		return nil
	}
	if !refused(err) || len(r.hosts) == 0 {
		return fmt.Errorf("who is connected: %w", err)
	}
	for _, h := range r.hosts {
		sessions, err := a.list(ctx, "connected_users_vhost", arguments{"host": h})
		if err != nil {
			return fmt.Errorf("who is connected (the commands connected_users and connected_users_vhost): %w", err)
		}
		r.add(sessions)
	}
	return nil
}

// add adds the users of sessions, full Jabber IDs, and one user may have
// several.
func (r *running) add(sessions []string) {
	for _, jid := range sessions {
		bare, _, _ := strings.Cut(jid, "/")
		user, host, ok := strings.Cut(bare, "@")
		if !ok || user == "" || host == "" {
			continue
		}
		if r.online[host] == nil {
			r.online[host] = make(map[string]bool)
		}
		r.online[host][user] = true
	}
}

// recordOnline records connected users as active now.
func (r *reading) recordOnline() {
	for name, users := range r.server.online {
		if !r.serves(name) {
			continue
		}
		r.found.Of([]byte(name)).Online = collector.Known(len(users))
		for user := range users {
			r.rec.Seen([]byte(name), []byte(user), activity.Unknown, r.now)
		}
	}
}

// accountCount is a number, which was the only member of an object before 24.02.
type accountCount int

// UnmarshalJSON implements json.Unmarshaler.
func (n *accountCount) UnmarshalJSON(text []byte) error {
	var object map[string]int
	if json.Unmarshal(text, &object) == nil && len(object) == 1 {
		for _, value := range object {
			*n = accountCount(value)
		}
		return nil
	}
	return json.Unmarshal(text, (*int)(n))
}

// countAccounts counts the accounts of those hosts that have none in the database.
// If the server refuses that for one host, it does for all.
func (r *reading) countAccounts(ctx context.Context, hosts []string) error {
	for _, h := range hosts {
		found := r.found.Of([]byte(h))
		if found.Registered.Known {
			continue
		}
		n := accountCount(-1)
		err := r.api.call(ctx, "stats_host", arguments{"name": "registeredusers", "host": h}, &n)
		switch {
		case err == nil && n >= 0:
			found.Registered = r.accountsCounted(int(n))
		case err == nil:
			return r.api.Fail("stats_host", failure.Unexpected, "the answer is no number")
		case refused(err):
			r.facts.Warnings = append(r.facts.Warnings, fmt.Sprintf("accounts of %q are not known: %s", h, err))
			return nil
		default:
			return err
		}
	}
	return nil
}

// accountsCounted returns a number of accounts that the API gave. ejabberd counts
// none where it cannot list them (JWT and others). So, unless ejabberd.yml says that
// they are its own, 0 may mean either, and nothing is known.
func (r *reading) accountsCounted(n int) collector.Count {
	if n == 0 && r.options.Hosts == nil {
		return collector.Count{}
	}
	return collector.Known(n)
}

// readLast asks for the last activity of every account of all hosts.
func (r *reading) readLast(ctx context.Context) error {
	if r.server.hosts == nil {
		return r.api.Fail("registered_vhosts", failure.Denied, "refused, so the virtual hosts are not known")
	}
	for _, host := range r.server.hosts {
		if err := r.readLastOfHost(ctx, host); err != nil {
			return err
		}
	}
	return nil
}

// readLastOfHost asks for the last activity of every account of a host, one by one:
// where it is kept in Mnesia there is no other way from outside.
func (r *reading) readLastOfHost(ctx context.Context, host string) error {
	users, err := r.api.list(ctx, "registered_users", arguments{"host": host})
	if err != nil {
		return err
	}
	if r.asked += len(users); r.asked > maxAccounts {
		return r.api.Fail("get_last", failure.Unexpected, "more than %d accounts to ask for one by one: keep mod_last in an SQL database", maxAccounts)
	}
	found := r.found.Of([]byte(host))
	if !found.Registered.Known { // else the database has counted them
		found.Registered = r.accountsCounted(len(users))
	}
	found.AllAccounts = true
	for _, user := range users {
		r.rec.Account([]byte(host), []byte(user), activity.Native, activity.Unremembered)
	}
	found.HasLastSeen, err = r.readLastOf(ctx, host, users)
	return err
}

// readLastOf asks for the last activity of the users of one host. It returns false if
// mod_last is not loaded there, or if there is nobody to ask for.
func (r *reading) readLastOf(ctx context.Context, host string, users []string) (kept bool, err error) {
	oldest := r.now.Add(-activity.MaxWindow)
	for _, user := range slices.Sorted(slices.Values(users)) {
		if r.server.online[host][user] {
			continue
		}
		var last struct {
			Status    string    `json:"status"`
			Timestamp time.Time `json:"timestamp"`
		}
		err := r.api.call(ctx, "get_last", arguments{"user": user, "host": host}, &last)
		switch {
		case webapi.StatusOf(err) == http.StatusInternalServerError && !kept:
			return false, nil // mod_last is not loaded
		case err != nil:
			return false, err
		case last.Timestamp.IsZero():
			return false, r.api.Fail("get_last", failure.Unexpected, "the answer has no timestamp")
		}
		kept = true
		switch last.Status {
		case "NOT FOUND": // with the time of the question
		case "Registered but didn't login": // with the time of the registration
			r.rec.Exists([]byte(host), []byte(user), activity.Never)
		case "ONLINE":
			r.rec.Seen([]byte(host), []byte(user), activity.Unknown, r.now)
		default:
			if last.Timestamp.After(oldest) {
				r.rec.Seen([]byte(host), []byte(user), activity.Unknown, last.Timestamp)
			} else {
				r.rec.Exists([]byte(host), []byte(user), activity.AgeOf(r.now, last.Timestamp))
			}
		}
	}
	return len(users) > 0, nil
}
