package mongooseim

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/failure"
)

// running is what a running MongooseIM answers about itself.
type running struct {
	version string
	// domains are those it serves, nil if it does not say (before 6.6). The
	// administrator of one domain gets that one.
	domains []string
	// onlyDomain is the domain that there are rights for, "" for all.
	onlyDomain string
	online     people
	modules    []collector.Module
	modulesErr error
	// domainsListed says that domains are those of service_domain_db.
	domainsListed bool
	hostTypes     []hostType // nil before 6.6
	databases     []string   // the internal ones
}

// people are users by domain.
type people map[string]map[string]bool

// add adds the users of sessions, full Jabber IDs, and one user may have
// several.
func (p people) add(jid string) {
	user, name, ok := splitJID(jid)
	if !ok {
		return
	}
	if p[name] == nil {
		p[name] = make(map[string]bool)
	}
	p[name][user] = true
}

// recordSeen says that they are active now.
func (p people) recordSeen(now time.Time, rec activity.Recorder) {
	for name, users := range p {
		for user := range users {
			rec.Seen([]byte(name), []byte(user), activity.Unknown, now)
		}
	}
}

// ask finds out who is connected; without that, it fails.
func (a api) ask(ctx context.Context) (*running, error) {
	var auth struct {
		CheckAuth struct {
			Status string `json:"authStatus"`
			Domain string `json:"domain"`
		} `json:"checkAuth"`
	}
	// It is answered without any rights, too.
	if _, err := a.query(ctx, `{checkAuth{authStatus authType domain}}`, &auth); err != nil {
		return nil, err
	}
	if auth.CheckAuth.Status != "AUTHORIZED" {
		return nil, a.Fail("", failure.Denied, "this needs the user and password of the listener (schema_endpoint admin or domain_admin)")
	}
	r := &running{onlyDomain: auth.CheckAuth.Domain}
	if r.onlyDomain != "" {
		r.domains = []string{r.onlyDomain}
		r.modulesErr = a.Fail("", failure.Denied, "modules are told to the administrator of all domains alone")
	} else if err := a.askServer(ctx, r); err != nil {
		return nil, err
	}
	online, err := a.connected(ctx, r.onlyDomain)
	if err != nil {
		return nil, err
	}
	r.online = online
	return r, nil
}

// askServer asks what the administrator of all domains may know.
func (a api) askServer(ctx context.Context, r *running) error {
	var known struct {
		Type *struct {
			Fields []struct {
				Name string `json:"name"`
			} `json:"fields"`
		} `json:"__type"`
	}
	if _, err := a.query(ctx, `{__type(name:"ServerAdminQuery"){fields{name}}}`, &known); err != nil {
		return err
	}
	newer := false // than 6.5
	if known.Type != nil {
		for _, field := range known.Type.Fields {
			newer = newer || field.Name == "hostTypes"
		}
	}
	query := `{server{status{message}}}`
	if newer {
		query = `{server{status{message} hostTypes{name modules{name options{key value}}} globalInfo{internalDatabases}}}`
	}
	var answer struct {
		Server struct {
			Status struct {
				Message string `json:"message"`
			} `json:"status"`
			HostTypes []hostType `json:"hostTypes"`
			Global    struct {
				Databases []string `json:"internalDatabases"`
			} `json:"globalInfo"`
		} `json:"server"`
	}
	if _, err := a.query(ctx, query, &answer); err != nil {
		return err
	}
	r.version = versionIn(answer.Server.Status.Message)
	if !newer {
		r.modulesErr = a.Fail("", failure.Unexpected, "MongooseIM tells its modules since 6.6, this one does not")
		return nil
	}
	r.hostTypes, r.databases = answer.Server.HostTypes, answer.Server.Global.Databases
	for _, hostType := range r.hostTypes {
		for _, m := range hostType.Modules {
			r.modules = append(r.modules, collector.Module{Domain: hostType.Name, Name: m.Name, Loaded: true})
		}
		// A static host is its own host type, unless the list of domains says more.
		r.domains = append(r.domains, hostType.Name)
	}
	return a.askDomains(ctx, r)
}

// versionIn finds the version in a sentence such as "The node
// mongooseim@localhost is started. Status: started. MongooseIM 6.8.0 is running
// in that node."
func versionIn(message string) string {
	if found := regexp.MustCompile(`MongooseIM (?:version )?(\d[0-9A-Za-z.+~-]{0,60}) is running`).FindStringSubmatch(message); found != nil {
		return found[1]
	}
	return ""
}

// askDomains asks for the domains, static ones too. It takes
// service_domain_db; without, there are static ones alone.
func (a api) askDomains(ctx context.Context, r *running) error {
	var answer struct {
		Domain struct {
			All []struct {
				Domain string `json:"domain"`
			} `json:"allDomains"`
		} `json:"domain"`
	}
	if _, err := a.query(ctx, `{domain{allDomains{domain hostType status}}}`, &answer); err != nil {
		return err
	}
	if len(answer.Domain.All) > 0 {
		r.domains, r.domainsListed = nil, true
		for _, d := range answer.Domain.All {
			r.domains = append(r.domains, d.Domain)
		}
	}
	return nil
}

// connected asks for all sessions, of all domains or of one. They may lack
// presence, or be in the window in which their stream may be resumed.
func (a api) connected(ctx context.Context, only string) (people, error) {
	query := `{session{listSessions{user}}}`
	if only != "" {
		query = `{session{listSessions(domain:` + quoted(only) + `){user}}}`
	}
	var answer struct {
		Session struct {
			List []struct {
				User string `json:"user"`
			} `json:"listSessions"`
		} `json:"session"`
	}
	why, err := a.query(ctx, query, &answer)
	if err != nil {
		return nil, fmt.Errorf("who is connected: %w", err)
	}
	if answer.Session.List == nil {
		return nil, a.failed("the list of sessions", why["session"])
	}
	online := make(people)
	for _, session := range answer.Session.List {
		online.add(session.User)
	}
	return online, nil
}

// recordOnline records connected users as active now.
func (r *running) recordOnline(now time.Time, found collector.DomainSet, rec activity.Recorder) {
	for _, name := range r.domains {
		found.Of([]byte(name)).Online = collector.Known(0)
	}
	for name, users := range r.online {
		found.Of([]byte(name)).Online = collector.Known(len(users))
	}
	r.online.recordSeen(now, rec)
}

// countAccounts counts the accounts of domains that have none in the database,
// and completes who is online: nobody, on a domain that is not in the list of
// all sessions.
// It does not count those that MongooseIM cannot list: 0 would be false.
func (a api) countAccounts(ctx context.Context, server *running, domains *hosting, found collector.DomainSet) error {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(found)) {
		d := found[name]
		if server.onlyDomain != "" && server.onlyDomain != name {
			continue
		}
		if !d.Online.Known {
			d.Online = collector.Known(0)
		}
		if h, known := domains.storage(name); !d.Registered.Known && (!known || h.Accounts == chatserver.InMnesia) {
			names = append(names, name)
		}
	}
	const batch = 50 // domains in one query
	for some := range slices.Chunk(names, batch) {
		var query strings.Builder
		for i, name := range some {
			_, _ = fmt.Fprintf(&query, " %s:account{countUsers(domain:%s)}", alias(i), quoted(name))
		}
		var counts map[string]struct {
			Users *int `json:"countUsers"`
		}
		if _, err := a.query(ctx, "{"+query.String()[1:]+"}", &counts); err != nil {
			return fmt.Errorf("count accounts: %w", err)
		}
		for i, name := range some {
			// What is null is an error about that domain alone.
			_, configured := domains.storage(name)
			if n := counts[alias(i)].Users; n != nil && (*n > 0 || configured) {
				found[name].Registered = collector.Known(*n)
			}
		}
	}
	return nil
}

// readLast asks for everybody's last activity: where it is kept in Mnesia
// there is no other way from outside. It costs the server a look into its
// tables of sessions and of last activity for each account.
func (a api) readLast(ctx context.Context, server *running, domains []string, now time.Time, found collector.DomainSet, rec activity.Recorder) error {
	// Everybody who was not active since tomorrow, and is not connected.
	before := quoted(now.Add(24 * time.Hour).UTC().Format(time.RFC3339))
	if domains == nil {
		// This list does not say whether mod_last is there: without it, and
		// without anybody who was ever active, all have no time.
		if _, err := a.oldUsers(ctx, `timestamp:`+before, now, found, rec); err != nil {
			return err
		}
	}
	for _, name := range domains {
		kept, err := a.oldUsers(ctx, `domain:`+quoted(name)+`,timestamp:`+before, now, found, rec)
		if err != nil {
			return err
		}
		found.Of([]byte(name)).HasLastSeen = kept
	}
	// Users who logged in while the list was made may be in neither.
	online, err := a.connected(ctx, server.onlyDomain)
	if err != nil {
		return err
	}
	online.recordSeen(now, rec)
	return nil
}

// oldUsers reports one list, and whether last activity is kept there at all.
func (a api) oldUsers(ctx context.Context, arguments string, now time.Time, found collector.DomainSet, rec activity.Recorder) (kept bool, err error) {
	var answer struct {
		Last struct {
			Old []struct {
				JID       string     `json:"jid"`
				Timestamp *time.Time `json:"timestamp"` // nil for never
			} `json:"listOldUsers"`
		} `json:"last"`
	}
	why, err := a.query(ctx, `{last{listOldUsers(`+arguments+`){jid timestamp}}}`, &answer)
	if err != nil {
		return false, fmt.Errorf("last activity: %w", err)
	}
	if answer.Last.Old == nil {
		switch code := why["last"]; code {
		case "deps_not_loaded", "domain_not_found": // mod_last is not there
			return false, nil
		default:
			return false, a.failed("the list of last activity", code)
		}
	}
	oldest := now.Add(-activity.MaxWindow)
	for _, u := range answer.Last.Old {
		user, name, ok := splitJID(u.JID)
		if !ok {
			continue
		}
		d := found.Of([]byte(name))
		d.AllAccounts = true
		rec.Account([]byte(name), []byte(user), activity.Native, activity.Unremembered)
		if u.Timestamp == nil { // never with a presence, or before mod_last was there
			rec.Exists([]byte(name), []byte(user), activity.Unremembered)
			continue
		}
		d.HasLastSeen = true
		if u.Timestamp.After(oldest) {
			rec.Seen([]byte(name), []byte(user), activity.Unknown, *u.Timestamp)
		} else {
			rec.Exists([]byte(name), []byte(user), activity.AgeOf(now, *u.Timestamp))
		}
	}
	return true, nil
}
