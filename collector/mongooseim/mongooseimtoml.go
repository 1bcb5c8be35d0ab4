package mongooseim

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

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
	OutgoingPools struct {
		RDBMS map[string]struct {
			Connection pool `toml:"connection"`
		} `toml:"rdbms"`
	} `toml:"outgoing_pools"`
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

// readMongooseIMTOML reads the location of the database from mongooseim.toml,
// or from the folder that holds it; none, if there is no pool.
func readMongooseIMTOML(o *Options, path string) error {
	if document.IsFolder(path) {
		path = filepath.Join(path, "mongooseim.toml")
	}
	content, err := document.ReadFile(path)
	if err != nil {
		return err
	}
	var c mongooseIMTOML
	if _, err := toml.Decode(string(content), &c); err != nil {
		// The error itself may quote a password.
		place := ""
		if at, ok := errors.AsType[toml.ParseError](err); ok {
			place = fmt.Sprintf(":%d", at.Position.Line)
		}
		return fmt.Errorf("%s%s: not a configuration of MongooseIM", path, place)
	}
	if len(c.General.Hosts) == 1 && len(c.General.HostTypes) == 0 {
		o.Host = c.General.Hosts[0]
	}
	pools := c.OutgoingPools.RDBMS
	if len(pools) == 0 {
		return nil
	}
	chosen, ok := pools["default"]
	if !ok { // of others, modules would have to say which
		chosen = pools[slices.Min(slices.Collect(maps.Keys(pools)))]
	}
	if o.Database, err = chosen.Connection.source(); err != nil {
		return fmt.Errorf("%s: outgoing_pools.rdbms: %w", path, err)
	}
	return nil
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
	return sqldb.Source{}, fmt.Errorf("the driver %q cannot be read: pgsql, cockroachdb and mysql can", p.Driver)
}
