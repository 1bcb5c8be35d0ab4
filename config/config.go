// Package config reads the configuration: which chat servers there are and how
// to read them. It is the only owner of defaults, and what Load returns is
// valid and does not change.
package config

import (
	"errors"
	"fmt"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/servers"
	"active_users_exporter/collector/storage"
	"active_users_exporter/config/document"
)

// Config is a valid configuration. Load alone makes them.
type Config struct {
	// RefreshInterval is the pause between two refreshes of a server.
	RefreshInterval time.Duration
	// StaleAfter is the age at which figures are dropped.
	StaleAfter time.Duration
	// Windows are those of active users, each once.
	Windows []activity.Window
	// Cohorts says to follow newcomers week by week.
	Cohorts bool
	// Minimum is the least number of people that a cell of a split may show; 0 shows all.
	Minimum activity.Minimum
	// Clients are the classes that clients are sorted into.
	Clients *activity.Classes
	// Storage is where the history is kept.
	Storage Storage
	// Servers are the chat servers, with distinct names: at least one, unless
	// reports are received.
	Servers []Server
	// Reports is how usage reports are received.
	Reports Reports
	// NodeInfo is what is published of the servers' sizes.
	NodeInfo NodeInfo
}

// Storage says where and how long visits are kept.
type Storage struct {
	// Location is a folder or a PostgreSQL database, the zero value to keep
	// nothing.
	Location storage.Location
	// KeyFile is that of history.New.
	KeyFile string
	// Retention is how long visits are kept, at least 60 days.
	Retention time.Duration
	// Cache says to keep also what the chat server itself keeps, so that a
	// restart need not read it again.
	Cache bool
}

const (
	defaultInterval = time.Hour
	// minInterval is the shortest pause: Synapse writes visits every five
	// minutes, Prosody at logins; more often than once a minute gives nothing new.
	minInterval = time.Minute
	// staleIntervals and minStaleAfter are how old figures may be, whichever is
	// longer, if the configuration sets nothing: two refreshes may fail, and
	// so may all during the maintenance of a database.
	staleIntervals = 3
	minStaleAfter  = 3 * time.Hour
)

// A Source is where a configuration comes from. Loading it again gives the
// configuration as it is then.
type Source struct {
	// Kinds are the chat servers that can be read, nil for all of servers.Kinds.
	Kinds []chatserver.Kind
	// File is the path of a YAML file, "" for none.
	File string
	// Servers are of the form SOFTWARE=LOCATION, and follow those of the file.
	Servers []string
	// ServersOptional says that there may be no chat servers.
	ServersOptional bool
	// RefreshInterval overrides that of the file unless it is 0.
	RefreshInterval time.Duration
	// Cohorts is Config.Cohorts.
	Cohorts bool
	// ReportsAddress overrides that of the file unless it is empty.
	ReportsAddress string
	// StoragePath is where data is kept if the file does not say it; see
	// storage.Parse.
	StoragePath string
	// LookupEnv gives the values of ${NAME}, as os.LookupEnv does.
	LookupEnv func(string) (string, bool)
}

// A FlagError is a mistake in what a flag, or the environment variable instead of it,
// says.
type FlagError struct {
	Flag string // without --
	// Value is what it says, "" if that may hold a password.
	Value string
	Err   error
}

// Error names the flag.
func (e *FlagError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("--%s: %s", e.Flag, e.Err)
	}
	return fmt.Sprintf("--%s=%s: %s", e.Flag, e.Value, e.Err)
}

func (e *FlagError) Unwrap() error { return e.Err }

// ChatServers returns the kinds of chat servers that can be read.
func (s Source) ChatServers() []chatserver.Kind {
	if s.Kinds == nil {
		return servers.Kinds()
	}
	return s.Kinds
}

// Load reads and checks everything. Its error lists every mistake there is,
// each with its place and what to write instead, and never shows a password.
func (s Source) Load() (*Config, error) {
	c := &Config{Cohorts: s.Cohorts, Reports: defaultReports(), NodeInfo: defaultNodeInfo(), Storage: Storage{Retention: activity.MaxWindow, Cache: true}}
	var err error
	if c.Storage.Location, err = storage.Parse(s.StoragePath); err != nil {
		return nil, &FlagError{Flag: "storage.path", Err: err}
	}
	if s.File != "" {
		content, err := document.ReadFile(s.File)
		if err != nil {
			return nil, &FlagError{"config.file", s.File, err}
		}
		if err := parse(c, s, content); err != nil {
			return nil, err
		}
	}
	if err := s.applyFlags(c); err != nil {
		return nil, err
	}
	if err := s.check(c); err != nil {
		return nil, err
	}
	c.complete()
	return c, nameServers(c.Servers)
}

// applyFlags adds what flags say, which go before the file.
func (s Source) applyFlags(c *Config) error {
	for _, text := range s.Servers {
		server, err := s.serverFlag(text)
		if err != nil {
			return &FlagError{Flag: "server", Err: err}
		}
		c.Servers = append(c.Servers, server)
	}
	if s.RefreshInterval != 0 {
		if s.RefreshInterval < minInterval {
			return &FlagError{"refresh.interval", s.RefreshInterval.String(), fmt.Errorf("the shortest is %s", minInterval)}
		}
		c.RefreshInterval = s.RefreshInterval
	}
	if s.ReportsAddress != "" {
		if err := CheckAddress(s.ReportsAddress); err != nil {
			return &FlagError{"reports.listen-address", s.ReportsAddress, err}
		}
		c.Reports.ListenAddress = s.ReportsAddress
	}
	return nil
}

// check looks at what the file and the flags make together.
func (s Source) check(c *Config) error {
	if c.Reports.ListenAddress != "" && c.Storage.Location.IsZero() {
		return errors.New("reports are received, but storage.path is empty: they must be kept somewhere")
	}
	if c.Reports.ForwardTo != "" && reports.LeadsBack(c.Reports.ForwardTo, c.Reports.ListenAddress) {
		return errors.New("reports.forward_to leads back to the receiver itself, which would forward each report again: name another collection server")
	}
	if len(c.Servers) > 0 && c.Storage.Location.Shared() && c.Storage.KeyFile == "" {
		return errors.New("--storage.path is a database, whose history needs a key that all who share it have: write path and key_file under storage in a --config.file")
	}
	if len(c.Servers) == 0 && c.Reports.ListenAddress == "" && !s.ServersOptional {
		if s.File != "" {
			return fmt.Errorf("%s: no chat servers: list them under servers, or name one with --server=prosody=/var/lib/prosody", s.File)
		}
		return errors.New("no chat servers: name one with --server=synapse=sqlite:/var/lib/matrix-synapse/homeserver.db or --server=prosody=/var/lib/prosody, or give a --config.file with servers")
	}
	return nil
}

// complete fills in what was left out.
func (c *Config) complete() {
	if c.RefreshInterval == 0 {
		c.RefreshInterval = defaultInterval
	}
	if c.StaleAfter == 0 {
		c.StaleAfter = max(minStaleAfter, staleIntervals*c.RefreshInterval)
	}
	if len(c.Windows) == 0 {
		c.Windows = activity.DefaultWindows()
	}
	if c.Clients == nil {
		c.Clients = activity.SynapseClasses()
	}
}

// nameServers names the servers that have no name after their software,
// "synapse", "synapse-2" and so on, and makes sure that names are distinct.
func nameServers(servers []Server) error {
	taken := make(map[string]bool)
	for _, s := range servers {
		if s.Name != "" && taken[s.Name] {
			return fmt.Errorf("two servers are named %q: give each its own name", s.Name)
		}
		taken[s.Name] = true
	}
	for i, s := range servers {
		if s.Name != "" {
			continue
		}
		name := s.Software
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s-%d", s.Software, n)
		}
		servers[i].Name, taken[name] = name, true
	}
	return nil
}
