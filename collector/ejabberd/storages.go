package ejabberd

import (
	"slices"

	"active_users_exporter/collector"
	"active_users_exporter/collector/chatserver"
)

// A Host says where ejabberd.yml has the records of a virtual host. What lies
// elsewhere is left over from an earlier configuration.
type Host struct {
	Last     chatserver.Storage // last activity: mod_last
	Accounts chatserver.Storage // auth_method
	Sessions chatserver.Storage // who is connected: sm_db_type
	Guests   collector.Guests
}

// toldByAPI returns the host without what is in SQL, for a server without a database
// that is known here: the API gives that as well.
func (h Host) toldByAPI() Host {
	if h.Last == chatserver.InSQL {
		h.Last = chatserver.InMnesia
	}
	if h.Accounts == chatserver.InSQL {
		h.Accounts = chatserver.InMnesia
	}
	h.Sessions = chatserver.InMnesia
	return h
}

// A kind of record is one of the fields of Host.
type kind func(Host) chatserver.Storage

func lastOf(h Host) chatserver.Storage     { return h.Last }
func accountsOf(h Host) chatserver.Storage { return h.Accounts }
func sessionsOf(h Host) chatserver.Storage { return h.Sessions }

// inDatabase says whether a database has to be asked for a kind of record: it is
// that of one virtual host, or of several.
func (o Options) inDatabase(d Database, records kind) bool {
	if o.Hosts == nil { // nothing says where they are
		return true
	}
	for name, h := range o.Hosts {
		if records(h) == chatserver.InSQL && (d.Host == "" || d.Host == name) {
			return true
		}
	}
	return false
}

// recordsInSQL says whether a database holds something to show without the API.
func (o Options) recordsInSQL() bool {
	return slices.ContainsFunc(o.Databases, func(d Database) bool { return o.inDatabase(d, lastOf) || o.inDatabase(d, accountsOf) })
}

// assumed is that of collector.Facts. A server that is asked through its API alone says
// what is configured.
func (r *Reader) assumed() string {
	switch {
	case r.options.Hosts != nil || len(r.options.Databases) == 0:
		return ""
	case r.served != nil:
		return "the tables last and users are in use if they have rows"
	}
	return "the tables last, users and sm are in use if they have rows, and every host with rows is served"
}

// notRecorded says why nobody's activity is known on a virtual host, and what to do;
// "" if that is known, if there is nobody, or if it is the API's fault.
func (r *reading) notRecorded(d collector.DomainFacts) string {
	if !d.LacksActivity() {
		return ""
	}
	if h, configured := r.options.Hosts[d.Name]; configured {
		return r.notRecordedAt(h)
	}
	switch {
	case r.facts.OnlineErr != nil:
		return ""
	case r.server != nil:
		return "ejabberd does not tell last activity: enable mod_last and mod_admin_extra, and permit registered_users and get_last"
	}
	return "the table last has no row of it: enable mod_last with db_type: sql, or set api_url, which tells what is in Mnesia"
}

// notRecordedAt is notRecorded for a host that is configured.
func (r *reading) notRecordedAt(h Host) string {
	switch {
	case h.Last == chatserver.Nowhere:
		return "mod_last is not among its modules in ejabberd.yml: add mod_last: {db_type: sql}"
	case h.Last == chatserver.InSQL:
		return "the table last has no row of it: mod_last writes the first when somebody registers or logs out"
	case h.Accounts == chatserver.Unlisted:
		return "mod_last keeps it in Mnesia, and ejabberd cannot list the accounts to ask for: set db_type: sql for mod_last"
	case r.options.API.IsZero():
		return "mod_last keeps it in Mnesia, which ejabberd's API tells: set api_url, or db_type: sql for mod_last"
	case r.facts.OnlineErr != nil:
		return ""
	}
	return "ejabberd does not tell last activity: enable mod_admin_extra, and permit registered_users and get_last"
}

// storages returns where the records of a virtual host are, as ejabberd 26.07 finds
// it: default_db, mod_last: db_type, auth_method, sm_db_type, each for all hosts or
// in host_config.
func (c *ejabberdYML) storages(host string) Host {
	own := c.part(c.top["host_config"], host)
	option := func(name string) string {
		if n := own[name]; n != nil {
			return c.names.text(n)
		}
		return c.names.text(c.top[name])
	}
	standard := storageNamed(option("default_db"), chatserver.InMnesia)
	accounts, guests := c.accounts(own, standard)
	h := Host{Accounts: accounts, Guests: guests, Sessions: storageNamed(option("sm_db_type"), storageNamed(option("default_ram_db"), chatserver.InMnesia))}
	modules := c.options(c.top["modules"])
	if n := own["modules"]; n != nil {
		modules = c.options(n)
	}
	more := c.options(c.part(c.top["append_host_config"], host)["modules"])
	for _, listed := range []options{modules, more} {
		if n, there := listed["mod_last"]; there {
			h.Last = storageNamed(c.names.text(c.options(n)["db_type"]), standard)
		}
		if _, there := listed["mod_last_odbc"]; there { // until 15.x
			h.Last = chatserver.InSQL
		}
	}
	return h
}

// storageNamed returns the storage that ejabberd calls by that name.
func storageNamed(name string, standard chatserver.Storage) chatserver.Storage {
	switch name {
	case "":
		return standard
	case "sql", "odbc":
		return chatserver.InSQL
	}
	return chatserver.InMnesia // or Redis and others, which cannot be read from outside either
}

// accounts returns where the accounts are. A host may ask several methods. Guests of
// anonymous have no accounts.
func (c *ejabberdYML) accounts(own options, standard chatserver.Storage) (chatserver.Storage, collector.Guests) {
	methods := c.texts(c.top["auth_method"])
	if n := own["auth_method"]; n != nil {
		methods = c.texts(n)
	}
	if len(methods) == 0 {
		return standard, collector.NoGuests
	}
	var in []chatserver.Storage
	for _, method := range methods {
		switch method {
		case "anonymous":
		case "sql", "odbc":
			in = append(in, chatserver.InSQL)
		case "internal", "mnesia":
			in = append(in, chatserver.InMnesia)
		default: // jwt, external, ldap, pam, http and whatever comes
			in = append(in, chatserver.Unlisted)
		}
	}
	return chatserver.Together(in...), collector.GuestsOf(methods)
}
