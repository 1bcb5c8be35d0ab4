package prosody

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"active_users_exporter/collector/prosody/luaconfig"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// defaultDataPath is where Prosody's packages keep its data.
const defaultDataPath = "/var/lib/prosody"

// readProsody reads from Prosody's own configuration where its records are and
// which virtual hosts it serves: others in the same place are leftovers.
func readProsody(o *Options, path string) error {
	c, err := luaconfig.Read(path, os.LookupEnv)
	if err != nil {
		return err
	}
	dataPath := defaultDataPath
	if named, _ := c.Global["data_path"].(string); named != "" {
		dataPath = document.Below(filepath.Dir(path), named)
	}
	for _, h := range c.Hosts {
		for _, option := range []string{"default_storage", "storage", "sql"} {
			if _, own := h.Options[option]; own {
				return fmt.Errorf("%s: virtual host %q has its own option %s: give the location of the records instead, a data_path or a database", path, h.Name, option)
			}
		}
		o.Hosts = append(o.Hosts, strings.ToLower(h.Name))
	}
	switch storage, err := activityStorage(c); {
	case err != nil:
		return fmt.Errorf("%s: %w", path, err)
	case storage == "internal":
		o.DataPath = dataPath
	case storage == "sql":
		if o.Database, err = sqlOf(c, dataPath); err != nil {
			return fmt.Errorf("%s: sql: %w", path, err)
		}
	default:
		return fmt.Errorf("%s: storage %q cannot be read: internal and sql can", path, storage)
	}
	return nil
}

// activityStorage returns the storage of the stores that say who was there.
func activityStorage(c *luaconfig.Config) (string, error) {
	storage, _ := c.Global["default_storage"].(string)
	storage = cmp.Or(storage, "internal")
	stores, _ := c.Global["storage"].(luaconfig.Table)
	if all, ok := c.Global["storage"].(string); ok {
		storage = all
	}
	of := func(store string) string {
		named, _ := stores.Fields[store].(string)
		return cmp.Or(named, storage)
	}
	if of("lastlog2") != of("account_activity") {
		return "", errors.New("the stores lastlog2 and account_activity are in different storages: give the location of the one in use")
	}
	return of("lastlog2"), nil
}

// sqlOf returns the database of mod_storage_sql, whose options are sql.
func sqlOf(c *luaconfig.Config, dataPath string) (sqldb.Source, error) {
	options, _ := c.Global["sql"].(luaconfig.Table)
	text := func(name string) string {
		switch v := options.Fields[name].(type) {
		case string:
			return v
		case float64:
			return fmt.Sprint(v)
		}
		return ""
	}
	var scheme, port string
	switch driver := cmp.Or(text("driver"), "SQLite3"); driver {
	case "SQLite3":
		return sqldb.ParseSource("sqlite:" + document.Below(dataPath, cmp.Or(text("database"), "prosody.sqlite")))
	case "PostgreSQL":
		scheme, port = "postgres", "5432"
	case "MySQL":
		scheme, port = "mysql", "3306"
	default:
		return sqldb.Source{}, fmt.Errorf("driver %q is none of SQLite3, PostgreSQL and MySQL", driver)
	}
	u := url.URL{Scheme: scheme, Path: "/" + text("database")}
	if user := text("username"); user != "" {
		u.User = url.UserPassword(user, text("password"))
	}
	u.Host = net.JoinHostPort(cmp.Or(text("host"), "localhost"), cmp.Or(text("port"), port))
	return sqldb.ParseSource(u.String())
}
