package prosody

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
)

// An AccountsPlace is where the accounts of a virtual host are, if that is not beside
// its activity.
type AccountsPlace struct {
	// Elsewhere says that another provider of authentication has them, such as LDAP,
	// or a storage that cannot be read: how many there are is not known.
	Elsewhere bool
	// Anonymous says that there are none: guests get in without.
	Anonymous bool
	Place
}

// accountsPlace returns where the accounts of the host are, given where its activity
// is; the zero AccountsPlace if they are beside it.
func (h hostOptions) accountsPlace(dataPath string, records Place) AccountsPlace {
	switch provider := h.get("authentication").(type) {
	case nil, bool: // internal_hashed, internal_plain before 0.12
	case string:
		if provider == "anonymous" {
			return AccountsPlace{Anonymous: true}
		}
		if provider != "insecure" && !strings.HasPrefix(provider, "internal_") {
			return AccountsPlace{Elsewhere: true}
		}
	default:
		return AccountsPlace{Elsewhere: true}
	}
	var place AccountsPlace
	switch storage, err := h.storageOf("accounts"); {
	case err == nil && storage == "internal":
		place.DataPath = dataPath
	case err == nil && storage == "sql":
		if place.Database, err = h.sql(dataPath); err != nil {
			return AccountsPlace{Elsewhere: true}
		}
	default:
		return AccountsPlace{Elsewhere: true}
	}
	if place.Place == records {
		return AccountsPlace{}
	}
	return place
}

// addAccounts adds where the accounts of a virtual host are, if that is not beside its
// activity. Without any host, "" is for all.
func (o *Options) addAccounts(host string, place AccountsPlace) {
	if place == (AccountsPlace{}) {
		return
	}
	if o.Accounts == nil {
		o.Accounts = make(map[string]AccountsPlace)
	}
	o.Accounts[host] = place
}

// accountsOf returns the place of a host's accounts, the zero one if that is beside
// its activity.
func (o Options) accountsOf(host string) AccountsPlace {
	if place, known := o.Accounts[strings.ToLower(host)]; known {
		return place
	}
	return o.Accounts[""]
}

// accountsBeside says whether the accounts of a host are beside its activity, so that
// what is there counts.
func (o Options) accountsBeside(host string) bool { return o.accountsOf(host) == AccountsPlace{} }

// otherAccounts are the accounts of one host in another place than its activity.
type otherAccounts struct {
	count    int
	disabled map[string]bool
}

// readOtherAccounts reads and reports the accounts that are in other places, by host.
func (r *Reader) readOtherAccounts(ctx context.Context, rec activity.Recorder) (map[string]*otherAccounts, error) {
	all := make(map[string]*otherAccounts)
	databases := make(map[sqldb.Source]bool)
	for _, host := range r.options.Hosts {
		switch place := r.options.accountsOf(host); {
		case place.DataPath != "":
			found, err := r.accountsInFolder(ctx, place.DataPath, host, rec)
			if err != nil {
				return nil, fmt.Errorf("read the accounts of %s: %w", host, err)
			}
			all[host] = found
		case !place.Database.IsZero():
			databases[place.Database] = true
		}
	}
	if place := r.options.accountsOf(""); !place.Database.IsZero() {
		databases[place.Database] = true
	}
	for database := range databases {
		if err := r.accountsInDatabase(ctx, database, all, rec); err != nil {
			return nil, fmt.Errorf("read the accounts: %w", err)
		}
	}
	return all, nil
}

// accountsInFolder reads the accounts of one host from internal storage.
func (r *Reader) accountsInFolder(ctx context.Context, dataPath, host string, rec activity.Recorder) (*otherAccounts, error) {
	s := store{path: filepath.Join(dataPath, encodeName(host), "accounts")}
	if err := s.list(); err != nil {
		return nil, err
	}
	var damage damage
	states, err := readAll(ctx, s, s.users, &r.cachesOf(host).states, &damage, readAccount)
	if err != nil {
		return nil, err
	}
	s.report(host, rec)
	found := &otherAccounts{count: len(s.users), disabled: make(map[string]bool)}
	for i, user := range s.users {
		if name, ok := decodeName(user); ok && states[i] == accountDisabled {
			found.disabled[name] = true
		}
	}
	return found, nil
}

// accountsInDatabase adds the accounts of all hosts whose accounts are in a database.
func (r *Reader) accountsInDatabase(ctx context.Context, database sqldb.Source, all map[string]*otherAccounts, rec activity.Recorder) error {
	// In the order of the index (host, user, store, key). Passwords stay there.
	const accounts = `SELECT host, "user", MAX(CASE WHEN "key" = 'disabled' THEN value ELSE '' END) FROM prosody
		WHERE store = 'accounts' AND "user" <> '' GROUP BY host, "user"`
	return database.Read(ctx, sqldb.Options{PasswordFile: r.options.PasswordFile}, func(ctx context.Context, view sqldb.View) error {
		return view.Stream(ctx, accounts, 3, func(row *sqldb.Row) {
			host := string(row.Text(0))
			if !r.options.serves(host) || r.options.accountsOf(host).Database != database {
				return
			}
			found := all[host]
			if found == nil {
				found = &otherAccounts{disabled: make(map[string]bool)}
				all[host] = found
			}
			found.count++
			rec.Account(row.Text(0), row.Text(1), activity.Native, activity.Unremembered)
			if value := string(row.Text(2)); value != "" && value != "false" {
				found.disabled[string(row.Text(1))] = true
			}
		})
	})
}

// isDisabled says whether an account in another place is disabled. It is false if o is
// nil.
func (o *otherAccounts) isDisabled(user string) bool { return o != nil && o.disabled[user] }

// addServed adds the virtual hosts that are configured and have no records, and the
// accounts in other places. Where guests get in without an account, nothing is
// missing if there are no records.
func (r *Reader) addServed(found collector.DomainSet, others map[string]*otherAccounts) {
	for _, host := range r.options.Hosts {
		if !r.options.accountsOf(host).Anonymous {
			found.Of([]byte(host))
		}
	}
	for host, accounts := range others {
		if r.options.serves(host) && accounts.count > 0 {
			d := found.Of([]byte(host))
			d.Registered, d.AllAccounts = collector.Known(accounts.count), true
		}
	}
}

// assumed is that of collector.Facts.
func (o Options) assumed() string {
	switch {
	case len(o.Hosts) > 0:
		return ""
	case o.DataPath != "":
		return "every folder with a store is a virtual host that is served, and its accounts are in its folder accounts"
	case !o.Database.IsZero():
		return "every host with rows is a virtual host that is served, and its accounts are in the same table"
	}
	return ""
}

// notRecorded says that no store holds activity of a host, and what to do about that.
const (
	notRecorded  = `no store has logins: ` + enableModule
	enableModule = `add mod_lastlog2 of prosody-modules (Prosody 0.11 and 0.12) or mod_account_activity (part of Prosody 13) to modules_enabled, restart Prosody, and it counts who logs in from then on`
)

// notRecordedYet says it of a host with such a module.
const notRecordedYet = `no store has logins yet, though mod_lastlog2 or mod_account_activity is enabled: it counts who logs in after Prosody was restarted; if somebody has, Prosody's log says why the module was not loaded`

// silence is for how long nobody must have been there before the records of a host whose
// configuration names no module that writes them are taken for left over. Another module
// may bring that along.
const silence = 2 * 24 * time.Hour

// leftOver says it of such a host.
const leftOver = `nobody has logged in for two days, and the configuration enables no module that records it: ` + enableModule

// withoutActivity marks the domains whose activity is not recorded, and which are for
// anonymous guests. Where a module would record it, as on another host, and nobody has an
// account, nothing is wrong.
func (r *Reader) withoutActivity(domains []collector.DomainFacts, now time.Time, rec activity.Recorder) {
	isKnown := func(d collector.DomainFacts) bool { return d.HasLastSeen || d.Damaged > 0 || len(d.ActiveByServer) > 0 }
	anyKnown := slices.ContainsFunc(domains, isKnown)
	for i, d := range domains {
		recording := slices.Contains(r.options.Recording, strings.ToLower(d.Name))
		switch {
		case r.options.accountsOf(d.Name).Anonymous:
			domains[i].Guests = collector.OnlyGuests
		case d.HasLastSeen && len(r.options.Hosts) > 0 && !recording && len(d.ActiveByServer) == 0 && now.Sub(rec.Newest([]byte(d.Name))) > silence:
			domains[i].HasLastSeen, domains[i].NotRecorded = false, leftOver
		case isKnown(d):
		case r.options.Unreadable[strings.ToLower(d.Name)] != "":
			domains[i].NotRecorded = "its own storage in prosody.cfg.lua is not read: " + r.options.Unreadable[strings.ToLower(d.Name)]
		case !recording:
			domains[i].NotRecorded = notRecorded
		case !anyKnown, d.Registered[collector.Native] > 0:
			domains[i].NotRecorded = notRecordedYet
		}
	}
}

// unserved returns a sentence about hosts that have records and are not configured.
func (o Options) unserved(names []string) []string {
	left := make(map[string]bool)
	for _, name := range names {
		if !o.serves(name) && !slices.Contains(o.Components, strings.ToLower(name)) {
			left[name] = true
		}
	}
	return collector.Unserved(left)
}

// exists records that a user with a disabled account, of that age, is there. It returns whether
// that was so.
func (o *otherAccounts) exists(host, user string, age activity.Age, rec activity.Recorder) bool {
	if !o.isDisabled(user) {
		return false
	}
	rec.Exists([]byte(host), []byte(user), age)
	return true
}
