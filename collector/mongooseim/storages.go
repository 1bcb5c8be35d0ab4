package mongooseim

import (
	"context"
	"maps"
	"slices"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
)

// A Host says where mongooseim.toml has the records of a host or host type. What lies
// elsewhere is left over from an earlier configuration.
type Host struct {
	Last     chatserver.Storage // last activity: mod_last
	Accounts chatserver.Storage // auth
	Guests   collector.Guests
}

// kind is one of the fields of Host.
type kind func(Host) chatserver.Storage

func lastOf(h Host) chatserver.Storage     { return h.Last }
func accountsOf(h Host) chatserver.Storage { return h.Accounts }

// hostSection is what a host or host type may have for itself.
type hostSection struct {
	Modules *struct {
		Last *struct {
			Backend any `toml:"backend"`
		} `toml:"mod_last"`
	} `toml:"modules"`
	Auth map[string]any `toml:"auth"`
}

// storages returns where the records are. A section of [[host_config]] replaces that
// of all hosts. hasDatabase is false if everything is to be asked from GraphQL.
func storages(general, own hostSection, hasDatabase bool) (h Host) {
	sections := general
	if own.Modules != nil {
		sections.Modules = own.Modules
	}
	if own.Auth != nil {
		sections.Auth = own.Auth
	}
	if sections.Modules != nil && sections.Modules.Last != nil {
		h.Last = chatserver.InMnesia // the default
		if sections.Modules.Last.Backend == "rdbms" && hasDatabase {
			h.Last = chatserver.InSQL
		}
	}
	h.Accounts, h.Guests = accountsIn(sections.Auth, hasDatabase)
	return h
}

// accountsIn returns where accounts are, by the methods of authentication: those that
// are listed, or else all that have a section; and who gets in without one.
func accountsIn(auth map[string]any, hasDatabase bool) (chatserver.Storage, collector.Guests) {
	var methods []string
	if listed, ok := auth["methods"].([]any); ok {
		for _, method := range listed {
			if name, ok := method.(string); ok {
				methods = append(methods, name)
			}
		}
	} else {
		known := []string{"internal", "rdbms", "external", "ldap", "jwt", "http", "pam", "dummy", "anonymous"}
		methods = slices.DeleteFunc(slices.Sorted(maps.Keys(auth)), func(name string) bool { return !slices.Contains(known, name) })
	}
	var in []chatserver.Storage
	for _, method := range methods {
		switch {
		case method == "anonymous": // guests have no accounts
		case method == "rdbms" && hasDatabase:
			in = append(in, chatserver.InSQL)
		case method == "rdbms", method == "internal":
			in = append(in, chatserver.InMnesia)
		default:
			in = append(in, chatserver.Unlisted)
		}
	}
	return chatserver.Together(in...), collector.GuestsOf(methods)
}

// hosting says which domains a MongooseIM serves and where their records are, as far
// as mongooseim.toml, its database and the running server tell.
type hosting struct {
	options Options
	// types are the host types of dynamic domains, by domain; nil if they are not known.
	types map[string]string
	// served are the domains that the running server has told, nil if it has not.
	served []string
	// unserved are the others that have records.
	unserved map[string]bool
}

// storage returns where the records of a domain are, and whether that is known.
func (s *hosting) storage(domain string) (h Host, known bool) {
	if h, static := s.options.Hosts[domain]; static {
		return h, true
	}
	if h, typed := s.options.Hosts[s.types[domain]]; typed {
		return h, true
	}
	return s.options.sameForAll()
}

// sameForAll returns where the records of all host types are, if that is the same
// place. Who gets in without an account is then left out if it differs.
func (o Options) sameForAll() (all Host, same bool) {
	for _, h := range o.Hosts {
		if !same {
			all, same = h, true
		}
		if h.Guests != all.Guests {
			all.Guests, h.Guests = collector.NoGuests, collector.NoGuests
		}
		if h != all {
			return Host{}, false
		}
	}
	return all, same
}

// serves says whether the server has such a domain.
func (s *hosting) serves(domain string) bool {
	if _, listed := s.options.Hosts[domain]; listed || slices.Contains(s.served, domain) {
		return true
	}
	if _, dynamic := s.types[domain]; dynamic {
		return true
	}
	return (s.options.Hosts == nil || s.options.Dynamic) && s.types == nil && s.served == nil
}

// inSQL says whether a row of the database counts: not if its domain is not served, or
// keeps records of this kind elsewhere.
func (s *hosting) inSQL(name []byte, records kind) bool {
	if !s.serves(string(name)) {
		if !s.unserved[string(name)] {
			s.unserved[string(name)] = true
		}
		return false
	}
	h, known := s.storage(string(name))
	return !known || records(h) == chatserver.InSQL
}

// needed says whether the database has records of a kind at all.
func (s *hosting) needed(records kind) bool {
	if s.options.Hosts == nil {
		return true
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(s.options.Hosts)), func(h Host) bool { return records(h) == chatserver.InSQL })
}

// readTypes reads the host types of dynamic domains, which service_domain_db keeps in
// the database.
func (s *hosting) readTypes(ctx context.Context, view sqldb.View) error {
	if !s.options.Dynamic {
		return nil
	}
	columns, err := view.Columns(ctx, "domain_settings")
	if err != nil || !slices.Contains(columns, "domain") || !slices.Contains(columns, "host_type") {
		return err
	}
	if s.types == nil {
		s.types = make(map[string]string)
	}
	return view.Stream(ctx, `SELECT domain, host_type FROM domain_settings`, 2, func(row *sqldb.Row) {
		s.types[string(row.Text(0))] = string(row.Text(1))
	})
}

// warnings returns a sentence if there are dynamic domains and nothing says which.
func (s *hosting) warnings() []string {
	if !s.options.Dynamic || s.types != nil || s.served != nil {
		return nil
	}
	return []string{"mongooseim.toml has host types, whose domains cannot be read, so every domain with rows is shown: GRANT SELECT (domain, host_type) ON domain_settings, or set graphql_url"}
}

// inMnesia returns the domains whose records of a kind GraphQL tells.
func (s *hosting) inMnesia(domains []string, records kind) (all []string) {
	for _, name := range domains {
		if h, known := s.storage(name); known && records(h) == chatserver.InMnesia {
			all = append(all, name)
		}
	}
	return all
}

// assumed is that of collector.Facts. A server that is asked through GraphQL alone says
// what is configured.
func (s *hosting) assumed() string {
	switch {
	case s.options.Hosts != nil || s.options.Database.IsZero():
		return ""
	case s.served != nil:
		return "the tables last and users are in use if they have rows"
	}
	return "the tables last and users are in use if they have rows, and every domain with rows is served"
}

// notRecorded says why nobody's activity is known on a domain, and what to do; "" if
// that is known, if there is nobody, or if it is GraphQL's fault.
func (s *hosting) notRecorded(d collector.DomainFacts, onlineErr error) string {
	if !d.LacksActivity() {
		return ""
	}
	h, known := s.storage(d.Name)
	graphQL := !s.options.GraphQL.IsZero()
	switch {
	case known && h.Last == chatserver.Nowhere:
		return "mod_last is not among its modules in mongooseim.toml: add [modules.mod_last] with backend = \"rdbms\""
	case known && h.Last == chatserver.InSQL:
		return "the table last has no row of it: mod_last writes the first when somebody leaves"
	case !graphQL:
		return "mod_last has nothing in the database: set its backend to \"rdbms\", or graphql_url, which tells what is in Mnesia"
	case onlineErr != nil:
		return ""
	}
	return "MongooseIM does not tell last activity: enable mod_last"
}

// facts returns the domains that were found. Nobody is forgotten because GraphQL does
// not answer.
func (s *hosting) facts(found collector.DomainSet, onlineErr error) []collector.DomainFacts {
	all := found.Facts()
	for i := range all {
		if h, known := s.storage(all[i].Name); known {
			all[i].Guests = h.Guests
		}
		all[i].NotRecorded = s.notRecorded(all[i], onlineErr)
		all[i].LogoutsUnrecorded = all[i].LogoutsUnrecorded || onlineErr != nil
	}
	return all
}

// lowered returns names in small letters, as MongooseIM has them.
func lowered(names []string) (all []string) {
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	return all
}
