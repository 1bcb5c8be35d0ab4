package prosody

import (
	"context"
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
	// domain has what is shown of the host. Its HasLastSeen says that lastlog2 or
	// account_activity has a row.
	domain      collector.DomainBuilder
	hasActivity bool // a store account_activity, so it is Prosody 13's
	users       userTable
	accounts    int
	uses        map[string][]clientUse // by user; nil if clients are not recorded
	others      *otherAccounts         // the accounts if they are in another place
}

// databaseHosts are the hosts found in a database.
type databaseHosts struct {
	byName map[string]*hostRows
	// The last host and user: those of a row are mostly those of the next.
	name string
	host *hostRows
	// times are on their way to the hosts.
	times timeQueue
	// accountsBeside says whether accounts of a host that are here count.
	accountsBeside func(host string) bool
}

// readDatabase reads SQL storage: first all rows, then it reports the hosts one
// after the other.
func (r *Reader) readDatabase(ctx context.Context, now time.Time, rec activity.Recorder, server *running) (collector.Facts, error) {
	hosts, kind, err := r.readHosts(ctx)
	facts := collector.Facts{Complete: true, Database: kind}
	if err != nil {
		return facts, err
	}
	// A new server that runs or is configured may have none yet.
	if len(hosts) == 0 && server == nil && len(r.options.Hosts) == 0 {
		return facts, fmt.Errorf("%s: the table prosody has no rows of the stores lastlog2, account_activity or accounts: are they kept in files?", r.options.Database)
	}
	others, err := r.readOtherAccounts(ctx, rec)
	facts.PartialErr = err // accounts are not known then
	found := make(collector.DomainSet)
	var unserved []string
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		if server.isComponent(name) {
			continue
		}
		if !r.options.serves(name) {
			unserved = append(unserved, name)
			continue
		}
		h := hosts[name]
		h.others = others[name]
		found[name] = h.built()
		if n := h.domain.Damaged + h.domain.DamagedOther; n > 0 {
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("%d damaged records of %s left out: their value is not what Prosody writes there", n, name))
		}
		facts.Warnings = append(facts.Warnings, r.recordRows(name, h, now, rec, server).warnings(name)...)
	}
	if found.AllDamaged() {
		return facts, fmt.Errorf("%s: all times of the stores lastlog2 and account_activity are damaged: %w", r.options.Database, errValue)
	}
	r.addServed(found, others)
	facts.Warnings = append(facts.Warnings, r.options.unserved(unserved)...)
	facts.Domains = found.Facts()
	return facts, nil
}

// readHosts reads the rows of all hosts that Prosody still keeps, and returns also
// the kind of database. A host that has rows of clients alone is not kept.
func (r *Reader) readHosts(ctx context.Context) (byName map[string]*hostRows, kind string, err error) {
	hosts := databaseHosts{byName: make(map[string]*hostRows), accountsBeside: r.options.accountsBeside}
	options := sqldb.Options{PasswordFile: r.options.PasswordFile}
	err = r.options.Database.Read(ctx, options, func(ctx context.Context, view sqldb.View) error {
		kind = strings.TrimSpace(string(view.Engine) + " " + view.Version)
		if err := readRows(ctx, view, hosts.add, hosts.addAccount); err != nil {
			return fmt.Errorf("read lastlog2, account_activity and accounts from the table prosody (is this the database of mod_storage_sql?): %w", err)
		}
		hosts.times.flush()
		return nil
	})
	maps.DeleteFunc(hosts.byName, func(_ string, h *hostRows) bool { return !h.domain.HasLastSeen && h.accounts == 0 })
	return hosts.byName, kind, err
}

// built returns what is shown of the host.
func (h *hostRows) built() *collector.DomainBuilder {
	h.domain.Clients = h.uses != nil
	if h.accounts > 0 {
		h.domain.Registered, h.domain.AllAccounts = collector.Known(h.accounts), true
	}
	return &h.domain
}

// recordRows records who of a host was last seen when, by the same rule as for
// files: see host.recordSeen. The host's users are gone afterwards.
func (r *Reader) recordRows(name string, h *hostRows, now time.Time, rec activity.Recorder, server *running) (seen tally) {
	oldest := float64(now.Add(-activity.MaxWindow).Unix())
	domain, covered := []byte(name), coveredOf(name, now, rec)
	for u := range h.users.drain {
		at, age := u.latest(), u.age(now, covered)
		if !u.stored() && server.isOnline(name, string(u.name())) { // so there can be people without a record
			age = activity.Unremembered
		}
		if u.account() != accountUnknown {
			rec.Account(domain, u.name(), activity.Native, age)
		}
		switch {
		case !u.stored():
			rec.Exists(domain, u.name(), age) // whatever else there is, it is of an account
		case server.isOnline(name, string(u.name())):
			r.seen(rec, domain, u.name(), now, h.uses[string(u.name())])
			seen.counted++
		case at > oldest && h.others.exists(name, string(u.name()), age, rec):
			seen.disabled++
		case at > oldest && accountCounts(u.account(), h.hasActivity, h.accounts > 0):
			r.seen(rec, domain, u.name(), timeOf(at), h.uses[string(u.name())])
			seen.counted++
		case at <= oldest:
			rec.Exists(domain, u.name(), age)
		case u.account() == accountDisabled:
			rec.Exists(domain, u.name(), age)
			seen.disabled++
		}
	}
	return seen
}

// readRows calls use with the rows of the stores that hold last-seen times, clients
// and accounts: host, user, store, key,
// type and value. Other rows may be among them. Where a row is there twice, the
// later one counts, as for Prosody. It may also call useAccount with host, user, and the
// values of disabled and of created.
func readRows(ctx context.Context, view sqldb.View, use, useAccount func(*sqldb.Row)) error {
	scanned, err := view.Scan(ctx, "prosody", []string{"host", "user", "store", "key", "type", "value"}, use)
	if scanned || err != nil {
		return err
	}
	// A scan of the table or of its index (host, user, store, key): no index
	// begins with the store.
	const times = `SELECT host, "user", store, "key", type, value FROM prosody
		WHERE store IN ('lastlog2', 'account_activity', 'clients') AND "user" <> ''`
	if err := view.Stream(ctx, times, 6, use); err != nil {
		return err
	}
	// In the order of the index (host, user, store, key). Passwords are in the
	// same store; they stay in the database.
	const accounts = `SELECT host, "user", MAX(CASE WHEN "key" = 'disabled' THEN value ELSE '' END), MAX(CASE WHEN "key" = 'created' THEN value ELSE '' END) FROM prosody
		WHERE store = 'accounts' AND "user" <> '' GROUP BY host, "user"`
	return view.Stream(ctx, accounts, 4, useAccount)
}

// add takes a row. Those of the empty user belong to the host.
func (d *databaseHosts) add(row *sqldb.Row) {
	store := row.Text(2)
	switch string(store) {
	case "lastlog2", "account_activity", "accounts", "clients":
	default:
		return
	}
	user := row.Text(1)
	if len(user) == 0 {
		return
	}
	h := d.rowsOf(row.Text(0))
	if h == nil {
		return
	}
	switch string(store) {
	case "accounts":
		if d.accountsBeside(d.name) {
			h.addAccount(user, row.Text(3), row.Text(5))
		}
	case "clients":
		h.addClient(user, row.Text(4), row.Text(5))
	default:
		d.addTime(h, user, string(store), row)
	}
}

// addAccount takes an account.
func (d *databaseHosts) addAccount(row *sqldb.Row) {
	if h := d.rowsOf(row.Text(0)); h != nil && d.accountsBeside(d.name) {
		h.addAccount(row.Text(1), []byte("disabled"), row.Text(2))
		h.addAccount(row.Text(1), []byte("created"), row.Text(3))
	}
}

// rowsOf returns the rows of a host, with what was found before, nil for a name
// that is none.
func (d *databaseHosts) rowsOf(name []byte) *hostRows {
	if d.host != nil && string(name) == d.name {
		return d.host
	}
	if !utf8.Valid(name) {
		return nil
	}
	h, ok := d.byName[string(name)]
	if !ok {
		h = &hostRows{}
		d.byName[string(name)] = h
	}
	d.name, d.host = string(name), h
	return h
}

// addTime takes a row of lastlog2, which has one for each of login, logout and
// registered, or of account_activity, which has one for the timestamp.
func (d *databaseHosts) addTime(h *hostRows, user []byte, store string, row *sqldb.Row) {
	h.domain.HasLastSeen = true
	h.hasActivity = h.hasActivity || store == "account_activity"
	parse, which := timestampIn, recordLogin
	switch store + " " + string(row.Text(3)) {
	case "lastlog2 login":
	case "lastlog2 logout":
		which = recordLogout
	case "account_activity timestamp":
		parse, which = timestamp, recordActivity
	default:
		d.times.add(h, user, noTime, 0)
		return
	}
	seconds, err := parse(row.Text(4), row.Text(5))
	if err != nil {
		h.domain.Damaged++
		which = damagedTime
	} else {
		h.domain.AnyReadable = true
	}
	d.times.add(h, user, which, seconds)
}

// addAccount takes a field of an account.
func (h *hostRows) addAccount(user, key, value []byte) {
	u := h.users.of(user)
	if u.account() == accountUnknown {
		u.setAccount(accountEnabled)
		h.accounts++
	}
	switch string(key) {
	case "disabled":
		if value := string(value); value != "" && value != "false" {
			u.setAccount(accountDisabled)
		}
	case "created":
		if seconds, err := strconv.ParseFloat(string(value), 64); err == nil && seconds > 0 {
			u.setCreated(activity.DayOf(timeOf(seconds)))
		}
	}
}

// addClient takes a row of the store clients.
func (h *hostRows) addClient(user, kind, value []byte) {
	use, err := clientOfJSON(kind, value)
	if err != nil {
		h.domain.DamagedOther++
		return
	}
	if h.uses == nil {
		h.uses = make(map[string][]clientUse)
	}
	h.uses[string(user)] = append(h.uses[string(user)], use)
}
