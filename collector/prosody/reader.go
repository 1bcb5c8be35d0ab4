// Package prosody reads the records of a Prosody server: who logged in or out
// last (stores lastlog2 and account_activity), which accounts exist (store
// accounts) and how its modules are (mod_http_status).
package prosody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// Options say where a Prosody's records are.
type Options struct {
	// DataPath is Prosody's data_path, with internal storage in it; "" where
	// the records are in a database.
	DataPath string
	// Database is that of mod_storage_sql.
	Database sqldb.Source
	// Others are the places of virtual hosts whose records are not there.
	Others []HostsPlace
	// Unreadable says of virtual hosts why their records cannot be read, while those of
	// others can.
	Unreadable map[string]string
	// Hosts are the virtual hosts to read, in small letters; empty for all
	// that have records.
	Hosts []string
	// Recording are the virtual hosts with a module that records logins, as far as the
	// configuration says so.
	Recording []string
	// Components are those of the configuration, whose records are not left over.
	Components []string
	// Accounts says where the accounts of those hosts are that are not beside their
	// activity; "" is for all others. What lies beside it is then left over.
	Accounts map[string]AccountsPlace
	// PasswordFile is that of sqldb.Options.
	PasswordFile string
	// StatusURL is the page of mod_http_status, "" for none.
	StatusURL string
	// MetricsURL is the page of mod_http_openmetrics, "" for none: for servers
	// whose records cannot be reached, or without their AdminSocket. Where there are
	// records as well, the larger figure counts.
	MetricsURL string
	// ServerNames asks for Prosody's own metric names as well.
	ServerNames bool
	// AdminSocket is the path of Prosody's admin socket, "" not to ask the
	// running server. A process that may open it may do anything to that server; one
	// expression is evaluated for each refresh, and it changes nothing.
	AdminSocket string
	// RequiredModules are the modules to watch: "name", to be loaded anywhere,
	// or "domain/name". They need StatusURL or AdminSocket.
	RequiredModules []string
}

// A Reader reads one Prosody. It implements collector.Reader.
type Reader struct {
	options Options
	classes *activity.Classes
	// status and metrics read the pages of the running server; nil for those that
	// are not configured.
	status, metrics *webapi.Client
	caches          map[string]*hostCaches // of the files of each host
}

// New returns a Reader that sorts clients into the given classes. It opens
// nothing yet.
func New(o Options, classes *activity.Classes) *Reader {
	r := &Reader{options: o, classes: classes, caches: make(map[string]*hostCaches)}
	if o.StatusURL != "" {
		r.status = webapi.NewPage(o.StatusURL)
	}
	if o.MetricsURL != "" {
		r.metrics = webapi.NewPage(o.MetricsURL)
	}
	return r
}

// Read implements collector.Reader. A virtual host is whatever has records in
// at least one of the three stores. Who is connected without having logged in
// lately is in no store: it takes the admin socket to count them as Prosody's
// own mod_measure_active_users does.
func (r *Reader) Read(ctx context.Context, _, now time.Time, rec activity.Recorder) (collector.Facts, error) {
	server, onlineErr := r.askServer(ctx)
	if err := ctx.Err(); err != nil {
		return collector.Facts{}, errors.Join(onlineErr, err)
	}
	facts, err := r.readRecords(ctx, now, rec, server)
	if err != nil {
		return collector.Facts{}, errors.Join(err, onlineErr)
	}
	facts.Online, facts.OnlineErr, facts.Assumed = collector.OnlineUnknown, onlineErr, r.options.assumed()
	var page *metricsPage
	if r.metrics != nil && server == nil {
		if page, err = r.readMetrics(ctx, now); err == nil {
			r.addMetrics(&facts, page)
		} else if ctx.Err() != nil || !slices.ContainsFunc(facts.Domains, func(d collector.DomainFacts) bool { return d.HasLastSeen }) {
			return collector.Facts{}, errors.Join(err, onlineErr) // no records would be shown instead
		} else {
			facts.OnlineErr = errors.Join(onlineErr, err)
		}
	}
	if r.options.ServerNames {
		facts.Special = withServerNames
	}
	if server != nil {
		facts.Version, facts.Online = server.Version, collector.OnlineKnown
		facts.Domains = withOnline(facts.Domains, server)
		facts.Modules = server.modules()
	}
	if r.status != nil {
		facts.Modules, facts.ModulesErr = r.modulesOfPage(ctx)
	}
	r.withoutActivity(facts.Domains, now, rec)
	r.addRequired(&facts, server, page)
	return facts, nil
}

// readRecords reads what Prosody stores.
func (r *Reader) readRecords(ctx context.Context, now time.Time, rec activity.Recorder, server *running) (collector.Facts, error) {
	switch {
	case len(r.options.Others) > 0 || len(r.options.Unreadable) > 0:
		return r.readPlaces(ctx, now, rec, server)
	case r.options.DataPath != "":
		return r.readFiles(ctx, now, rec, server)
	case !r.options.Database.IsZero():
		return r.readDatabase(ctx, now, rec, server)
	}
	return collector.Facts{Database: "none"}, nil
}

// addRequired marks the required modules, where it is known which ones are loaded.
func (r *Reader) addRequired(facts *collector.Facts, server *running, page *metricsPage) {
	switch {
	case facts.ModulesErr != nil:
	case r.status == nil && r.options.AdminSocket == "" && page != nil:
		var unknown []string
		facts.Modules, unknown = requireOnPage(facts.Modules, r.options.RequiredModules)
		facts.Warnings = append(facts.Warnings, unknown...)
	case r.status != nil || server != nil:
		facts.Modules = collector.Require(facts.Modules, r.options.RequiredModules)
	}
}

// askServer asks the running server, if it has an admin socket that is configured.
func (r *Reader) askServer(ctx context.Context) (*running, error) {
	if r.options.AdminSocket == "" {
		return nil, nil
	}
	server, err := ask(ctx, r.options.AdminSocket)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w (connecting takes the right to write to the socket, which Debian's Prosody gives to nobody else: docs/prosody.md says how to give it)", err)
	}
	return server, err
}

// withOnline adds how many users are online on each virtual host. A host that
// stores nothing, for anonymous guests, is known by that alone.
func withOnline(domains []collector.DomainFacts, server *running) []collector.DomainFacts {
	stored := make(map[string]bool)
	for i, d := range domains {
		stored[d.Name] = true
		if h, served := server.Hosts[d.Name]; served {
			domains[i].Online = collector.Known(len(h.Online))
		}
	}
	for name, h := range server.Hosts {
		if !stored[name] && len(h.Online) > 0 && h.Type != "component" {
			domains = append(domains, collector.DomainFacts{Name: name, Online: collector.Known(len(h.Online))})
		}
	}
	return domains
}

// readFiles reads internal storage.
func (r *Reader) readFiles(ctx context.Context, now time.Time, rec activity.Recorder, server *running) (collector.Facts, error) {
	hosts, denied, err := findHosts(r.options.DataPath)
	if err == nil {
		err = r.checkDenied(hosts, denied)
	}
	if err != nil {
		return collector.Facts{}, fmt.Errorf("look for virtual hosts: %w", err)
	}
	// A new server that runs or is configured may have none yet.
	if len(hosts) == 0 && server == nil && len(r.options.Hosts) == 0 {
		return collector.Facts{}, fmt.Errorf("%s: no folder in it has a store lastlog2, account_activity or accounts: is it the data_path of a Prosody with internal storage?", r.options.DataPath)
	}
	facts := collector.Facts{Database: "files", Complete: true}
	for _, name := range denied {
		if r.options.serves(name) {
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("the folder of %s is left out: the exporter's user may not enter it", name))
		}
	}
	others, err := r.readOtherAccounts(ctx, rec)
	facts.PartialErr = err // accounts are not known then
	found := make(collector.DomainSet)
	var unserved []string
	for _, h := range hosts {
		if server.isComponent(h.name) {
			continue
		}
		if !r.options.serves(h.name) {
			unserved = append(unserved, h.name)
			continue
		}
		if !r.options.accountsBeside(h.name) {
			h.accounts, h.others = store{}, others[h.name]
		}
		h.hostCaches = r.cachesOf(h.name)
		warnings, err := h.read(ctx, r, now, found.Of([]byte(h.name)), rec, server)
		if err != nil {
			return collector.Facts{}, fmt.Errorf("read the records of %s: %w", h.name, err)
		}
		facts.Warnings = append(facts.Warnings, warnings...)
	}
	if found.AllDamaged() {
		return collector.Facts{}, fmt.Errorf("%s: all records of who was active are damaged", r.options.DataPath)
	}
	r.addServed(found, others)
	facts.Warnings = append(facts.Warnings, r.options.unserved(unserved)...)
	facts.Domains = found.Facts()
	return facts, nil
}

// checkDenied returns an error if a folder that may not be entered must be that of a
// virtual host: one that is configured or was read before, or if there are only such
// folders. Others may be anything, and end no figures.
func (r *Reader) checkDenied(hosts []host, denied []string) error {
	for _, name := range denied {
		_, before := r.caches[name]
		configured := len(r.options.Hosts) > 0 && r.options.serves(name)
		if before || configured || len(hosts) == 0 {
			return fmt.Errorf("enter the folder of %s: %w (add the exporter's user to the group that may read it)", name, fs.ErrPermission)
		}
	}
	return nil
}

// serves says whether a virtual host is to be read.
func (o Options) serves(host string) bool {
	return len(o.Hosts) == 0 || slices.Contains(o.Hosts, strings.ToLower(host))
}

// Close implements collector.Reader.
func (r *Reader) Close() error {
	for _, client := range []*webapi.Client{r.status, r.metrics} {
		if client != nil {
			client.Close()
		}
	}
	return nil
}
