package prosody

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/files"
)

// host is one virtual host's folder of stores.
type host struct {
	name string
	// lastlog2 is the store of the community module of that name (Prosody 0.11
	// and later), activity account_activity of Prosody 13. They are empty
	// where the host has no such store.
	lastlog2, activity, accounts store
	// lastlog is the older community module's, which counts where there is
	// neither of the others; clients is that of mod_client_management.
	lastlog, clients store
	// others are the accounts if they are in another place, else nil.
	others *otherAccounts
	*hostCaches
}

// findHosts returns the hosts with records below Prosody's data_path, perhaps none,
// and the names of the folders that the exporter may not enter. Whatever else lies
// there is no host: files, pipes, links that lead nowhere.
func findHosts(dataPath string) (hosts []host, denied []string, err error) {
	entries, err := files.ReadFolder(dataPath)
	if err != nil {
		return nil, nil, err
	}
	for _, entry := range entries {
		name, ok := decodeName(entry.Name())
		if !ok || !utf8.ValidString(name) { // such as _global, which is no host
			continue
		}
		path := filepath.Join(dataPath, entry.Name())
		_, err := os.Stat(path + "/.") // takes a folder, and the permission to enter it
		switch {
		case isNoFolder(err):
			continue
		case errors.Is(err, fs.ErrPermission):
			denied = append(denied, name)
			continue
		case err != nil:
			return nil, nil, err
		}
		h, err := listHost(name, path)
		if err != nil {
			return nil, nil, err
		}
		if h.isComponent(path) {
			continue
		}
		if h.lastlog2.exists || h.activity.exists || h.accounts.exists || h.lastlog.exists {
			hosts = append(hosts, h)
		}
	}
	return hosts, denied, nil
}

// isComponent says whether the folder is that of a component for rooms, to which
// mod_lastlog2 can belong as well: mod_muc stores rooms there, and nobody has accounts.
func (h host) isComponent(path string) bool {
	return !h.accounts.exists && !h.activity.exists && (exists(filepath.Join(path, "config")) || exists(filepath.Join(path, "persistent.dat")))
}

// listHost lists the stores of a host.
func listHost(name, path string) (host, error) {
	h := host{
		name:     name,
		lastlog2: store{path: filepath.Join(path, "lastlog2")},
		activity: store{path: filepath.Join(path, "account_activity")},
		accounts: store{path: filepath.Join(path, "accounts")},
		lastlog:  store{path: filepath.Join(path, "lastlog")},
		clients:  store{path: filepath.Join(path, "clients")},
	}
	for _, s := range []*store{&h.lastlog2, &h.activity, &h.accounts, &h.lastlog, &h.clients} {
		if err := s.list(); err != nil {
			return h, err
		}
	}
	if h.lastlog2.exists || h.activity.exists {
		h.lastlog = store{}
	}
	return h, nil
}

// read reports the host's activity to rec and fills in what else there is to know.
// It returns a few sentences about damaged files.
func (h *host) read(ctx context.Context, r *Reader, now time.Time, domain *collector.DomainBuilder, rec activity.Recorder, server *running) ([]string, error) {
	domain.HasLastSeen = h.lastlog2.exists || h.activity.exists || h.lastlog.exists
	domain.Clients = h.clients.exists
	if h.accounts.exists {
		domain.Registered, domain.AllAccounts = collector.Known(len(h.accounts.users)), true
		h.accounts.report(h.name, rec)
	}
	var damage damage
	last, err := h.lastTimes(ctx, &damage)
	if err != nil {
		return nil, err
	}
	domain.Damaged, domain.AnyReadable = damage.files, damage.good
	if domain.HasLastSeen && !domain.ActivityKnown() {
		damage.sentences = append(damage.sentences, "who is active on "+h.name+" is not known: all records are damaged")
	}
	if err := h.recordSeen(ctx, r, now, last, rec, server, &damage); err != nil {
		return nil, err
	}
	domain.DamagedOther = damage.files - domain.Damaged
	return damage.sentences, nil
}

// report reports the accounts of a host.
func (s store) report(host string, rec activity.Recorder) {
	for _, user := range s.users {
		name, ok := decodeName(user)
		if !ok {
			name = user // as it stands there: an account for certain
		}
		rec.Account([]byte(host), []byte(name), activity.Native, activity.Unremembered)
	}
}

// neverSeconds is the time of a user whose record says that there is none; 0 is that
// of a record that cannot be read.
const neverSeconds = -1

// orNever returns a parser that tells records without a time from those that cannot be
// read.
func orNever(parse func([]byte) (float64, error)) func([]byte) (float64, error) {
	return func(record []byte) (float64, error) {
		at, err := parse(record)
		if err == nil && at == 0 {
			at = neverSeconds
		}
		return at, err
	}
}

// ageOf returns the age of an account with such a time.
func ageOf(now time.Time, seconds float64) activity.Age {
	switch {
	case seconds > 0:
		return activity.AgeOf(now, timeOf(seconds))
	case seconds == neverSeconds:
		return activity.Never
	}
	return activity.Unremembered
}

// lastTimes returns the newest time that any store has of each user, in Unix
// seconds; see neverSeconds.
func (h *host) lastTimes(ctx context.Context, damage *damage) (map[string]float64, error) {
	last := make(map[string]float64, max(len(h.lastlog2.users), len(h.activity.users)))
	for _, s := range []struct {
		store store
		cache *fileCache[float64]
		parse func([]byte) (float64, error)
	}{{h.lastlog2, &h.logins, lastLogin}, {h.activity, &h.activities, lastActivity}, {h.lastlog, &h.events, lastEvent}} {
		times, err := readAll(ctx, s.store, s.store.users, s.cache, damage, orNever(s.parse))
		if err != nil {
			return nil, err
		}
		for i, user := range s.store.users {
			if before, there := last[user]; there {
				times[i] = max(times[i], before)
			}
			last[user] = times[i]
		}
	}
	return last, nil
}

// whoMayCount returns the users, as file names, who are online or were there within
// the longest window. For all others with a record it records that they exist.
func (h *host) whoMayCount(now time.Time, last map[string]float64, rec activity.Recorder, server *running) (users []string) {
	domain := []byte(h.name)
	oldest := float64(now.Add(-activity.MaxWindow).Unix())
	for user, at := range last {
		name, ok := decodeName(user)
		switch {
		case !ok:
		case at > oldest || server.isOnline(h.name, name):
			users = append(users, user)
		default:
			rec.Exists(domain, []byte(name), ageOf(now, at))
		}
	}
	return users
}

// recordUnused records the accounts without a record in any store of activity.
func (h *host) recordUnused(ctx context.Context, now time.Time, last map[string]float64, rec activity.Recorder, server *running, damage *damage) error {
	var unused []string
	for _, user := range h.accounts.users {
		if _, stored := last[user]; !stored {
			unused = append(unused, user)
		}
	}
	covered, times := coveredOf(h.name, now, rec), make([]float64, len(unused))
	if covered.recorded { // else it does not matter when they were created
		var err error
		if times, err = readAll(ctx, h.accounts, unused, &h.created, damage, created); err != nil {
			return err
		}
	}
	for i, user := range unused {
		name, ok := decodeName(user)
		switch {
		case !ok:
		case server.isOnline(h.name, name): // so there can be people without a record
			rec.Exists([]byte(h.name), []byte(name), activity.Unremembered)
		default:
			rec.Exists([]byte(h.name), []byte(name), covered.unused(activity.DayOf(timeOf(times[i]))))
		}
	}
	return nil
}

// recordSeen records who was last seen when. A user who is online was seen now,
// whatever the account says; for others the account decides. This is the order in
// which mod_measure_active_users looks.
func (h *host) recordSeen(ctx context.Context, r *Reader, now time.Time, last map[string]float64, rec activity.Recorder, server *running, damage *damage) error {
	domain := []byte(h.name)
	if err := h.recordUnused(ctx, now, last, rec, server, damage); err != nil {
		return err
	}
	users := h.whoMayCount(now, last, rec, server)
	uses := make([][]clientUse, len(users))
	if h.clients.exists {
		var err error
		if uses, err = readAll(ctx, h.clients, users, &h.uses, damage, readClients); err != nil {
			return err
		}
	}
	states := make([]accountState, len(users)) // unknown
	if h.accounts.exists {
		var err error
		if states, err = readAll(ctx, h.accounts, users, &h.states, damage, readAccount); err != nil {
			return err
		}
	}
	var seen tally
	for i, user := range users {
		name, _ := decodeName(user)
		switch {
		case server.isOnline(h.name, name):
			r.seen(rec, domain, []byte(name), now, uses[i])
			seen.counted++
		case h.others.exists(h.name, name, ageOf(now, last[user]), rec):
			seen.disabled++
		case accountCounts(states[i], h.activity.exists, h.accounts.exists):
			r.seen(rec, domain, []byte(name), timeOf(last[user]), uses[i])
			seen.counted++
		case states[i] == accountDisabled:
			rec.Exists(domain, []byte(name), ageOf(now, last[user]))
			seen.disabled++
		}
	}
	damage.sentences = append(damage.sentences, seen.warnings(h.name)...)
	return nil
}

// list fills in which users a store has; a store that is not there has none.
func (s *store) list() error {
	folder, err := files.OpenFolder(s.path)
	if isNoFolder(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		return err
	}
	s.exists = true
	s.users = names[:0]
	for _, name := range names {
		if user, ok := userOf(name); ok {
			s.users = append(s.users, user)
		}
	}
	return nil
}
