package mongooseim

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// mongooseIMTOML is the part of MongooseIM's configuration that says where its
// records are.
type mongooseIMTOML struct {
	General struct {
		Hosts     []string `toml:"hosts"`
		HostTypes []string `toml:"host_types"`
	} `toml:"general"`
	OutgoingPools outgoingPools `toml:"outgoing_pools"`
	hostSection
	HostConfig []struct {
		hostSection
		Host          string        `toml:"host"`
		HostType      string        `toml:"host_type"`
		OutgoingPools outgoingPools `toml:"outgoing_pools"`
	} `toml:"host_config"`
}

// outgoingPools are the pools of connections to databases by tag.
type outgoingPools struct {
	RDBMS map[string]struct {
		// Scope global is for all hosts, host and host_type as well, each with
		// connections of its own; single_host and single_host_type are for the one
		// that is named.
		Scope      string `toml:"scope"`
		Host       string `toml:"host"`
		HostType   string `toml:"host_type"`
		Connection pool   `toml:"connection"`
	} `toml:"rdbms"`
}

// pool is the connection of outgoing_pools.rdbms.
type pool struct {
	Driver   string `toml:"driver"`
	Host     string `toml:"host"`
	Port     int    `toml:"port"`
	Database string `toml:"database"`
	Username string `toml:"username"`
	Password string `toml:"password"`
	TLS      *struct {
		Required bool `toml:"required"`
	} `toml:"tls"`
}

// defaultTag is the tag of the pool that authentication and modules use.
const defaultTag = "default"

// readMongooseIMTOML reads the locations of the databases from mongooseim.toml,
// or from the folder that holds it; none, if there is no pool.
func readMongooseIMTOML(o *Options, path string, warn func(format string, args ...any)) error {
	if document.IsFolder(path) {
		path = filepath.Join(path, "mongooseim.toml")
	}
	content, err := document.ReadFile(path)
	if err != nil {
		return err
	}
	var c mongooseIMTOML
	if _, err := toml.Decode(strings.TrimPrefix(string(content), "\ufeff"), &c); err != nil {
		return invalidTOML(path, string(content), err)
	}
	if len(c.General.Hosts) == 1 && len(c.General.HostTypes) == 0 {
		o.Host = c.General.Hosts[0]
	}
	for _, p := range c.pools(warn) {
		source, err := p.source()
		if err != nil {
			return fmt.Errorf("%s: outgoing_pools.rdbms: %w", path, err)
		}
		switch {
		case o.Database.IsZero():
			o.Database = source
		case source != o.Database && !slices.Contains(o.OtherDatabases, source):
			o.OtherDatabases = append(o.OtherDatabases, source)
		}
	}
	o.Dynamic = len(c.General.HostTypes) > 0
	o.Hosts = c.hosts(!o.Database.IsZero())
	return nil
}

// hosts returns where the records of hosts and host types are; nil if there are none.
func (c *mongooseIMTOML) hosts(hasDatabase bool) map[string]Host {
	own := make(map[string]hostSection)
	for _, part := range c.HostConfig {
		own[strings.ToLower(cmp.Or(part.HostType, part.Host))] = part.hostSection
	}
	var all map[string]Host
	for _, name := range lowered(slices.Concat(c.General.Hosts, c.General.HostTypes)) {
		if all == nil {
			all = make(map[string]Host)
		}
		all[name] = storages(c.hostSection, own[name], hasDatabase)
	}
	return all
}

// pools returns the connections that the hosts and host types use, each once. Each
// uses the pool "default": its own, in host_config or of the scope single_host, or
// else that of all.
func (c *mongooseIMTOML) pools(warn func(format string, args ...any)) (pools []pool) {
	own := make(map[string]pool)
	all, shared := c.OutgoingPools.RDBMS[defaultTag]
	if shared && strings.HasPrefix(all.Scope, "single_") {
		own[cmp.Or(all.HostType, all.Host)], shared = all.Connection, false
	}
	for _, part := range c.HostConfig {
		if p, ok := part.OutgoingPools.RDBMS[defaultTag]; ok {
			own[cmp.Or(part.HostType, part.Host)] = p.Connection
		}
	}
	for _, host := range slices.Concat(c.General.Hosts, c.General.HostTypes) {
		p, ok := own[host]
		if !ok {
			p, ok = all.Connection, shared
		}
		if ok && !slices.Contains(pools, p) {
			pools = append(pools, p)
		}
	}
	switch tags := slices.Sorted(maps.Keys(c.OutgoingPools.RDBMS)); {
	case len(pools) == 0 && shared: // no hosts are listed
		pools = []pool{all.Connection}
	case len(pools) == 0 && len(tags) > 0:
		warn("outgoing_pools.rdbms has no pool %q, which authentication and modules use: that of %q is read", defaultTag, tags[0])
		pools = []pool{c.OutgoingPools.RDBMS[tags[0]].Connection}
	}
	return pools
}

func (p pool) source() (sqldb.Source, error) {
	l := sqldb.Location{Host: p.Host, Database: p.Database, User: p.Username, Password: p.Password, Encrypted: p.TLS != nil}
	if p.Port != 0 {
		l.Port = strconv.Itoa(p.Port)
	}
	switch p.Driver {
	case "pgsql":
		l.Encrypted = p.TLS != nil && p.TLS.Required // else both sides prefer it
		return l.PostgreSQL()
	case "cockroachdb":
		if l.Port == "" {
			l.Port = "26257"
		}
		return l.PostgreSQL()
	case "mysql":
		return l.MySQL()
	}
	return sqldb.Source{}, fmt.Errorf("the driver %q cannot be read: pgsql, cockroachdb and mysql can; give the location of the database itself if it is one of these", p.Driver)
}

var (
	// Reasons that quote no value, which may be a password.
	plainReason = regexp.MustCompile(`^(Key '[^']*' has already been defined\.|strings cannot contain newlines|incompatible types: .*)$`)
	wrongType   = regexp.MustCompile(`line (\d+) \(last key "([^"]*)"\): (incompatible types: .*)$`)
)

// invalidTOML says where a file is no TOML, or not MongooseIM's.
func invalidTOML(path, content string, err error) error {
	if m := wrongType.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: %s: %s", path, m[1], m[2], m[3])
	}
	at, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return fmt.Errorf("%s: not a configuration of MongooseIM", path)
	}
	before := content[:max(0, min(at.Position.Start, len(content)))] // -1 for what is no text
	column := len(before) - strings.LastIndexByte(before, '\n')
	reason := "something else is expected here"
	if plainReason.MatchString(at.Message) {
		reason = at.Message
	}
	return fmt.Errorf("%s:%d:%d: no valid TOML: %s%s", path, at.Position.Line, column, reason, document.WayAround)
}
