package synapse

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// homeserver is the part of Synapse's configuration that says where its
// records are (homeserver.yaml; synapse/config/database.py).
type homeserver struct {
	ServerName string              `yaml:"server_name"`
	Database   *database           `yaml:"database"`
	Databases  map[string]database `yaml:"databases"`

	ServerContext  string `yaml:"server_context"`
	EventCacheSize any    `yaml:"event_cache_size"`
	Caches         struct {
		GlobalFactor *float64 `yaml:"global_factor"`
	} `yaml:"caches"`
}

// database is one of Synapse's databases.
type database struct {
	Name       string         `yaml:"name"` // psycopg2 or sqlite3
	Args       map[string]any `yaml:"args"`
	DataStores []string       `yaml:"data_stores"`
}

// readHomeserver reads the name of the homeserver and the location of its
// database from homeserver.yaml, or from the folder that holds it, and from
// the folder conf.d beside it: Debian's package starts Synapse with both.
// A key at the top level counts as in the last file that has it, as for Synapse.
func readHomeserver(o *Options, path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "homeserver.yaml")
	}
	parts, err := filepath.Glob(filepath.Join(filepath.Dir(path), "conf.d", "*.yaml"))
	if err != nil {
		return fmt.Errorf("look for conf.d beside %s: %w", path, err)
	}
	var h homeserver
	for _, file := range append([]string{path}, parts...) {
		if err := h.add(file); err != nil {
			return err
		}
	}
	main, err := h.main()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	o.ServerName = h.ServerName
	o.Configured = h.configured()
	if o.Database, err = main.source(); err != nil {
		return fmt.Errorf("%s: database: %w", path, err)
	}
	return nil
}

// add reads one of the files.
func (h *homeserver) add(file string) error {
	content, err := document.ReadFile(file)
	if err != nil {
		return err
	}
	var more homeserver
	if err := yaml.Unmarshal(content, &more); err != nil {
		// The error itself may quote a password.
		return fmt.Errorf("%s: not a configuration of Synapse%s", file, regexp.MustCompile(`: line \d+|\n +line \d+`).FindString(err.Error()))
	}
	h.ServerName = cmp.Or(more.ServerName, h.ServerName)
	h.ServerContext = cmp.Or(more.ServerContext, h.ServerContext)
	if more.EventCacheSize != nil {
		h.EventCacheSize = more.EventCacheSize
	}
	if more.Caches.GlobalFactor != nil {
		h.Caches = more.Caches
	}
	if more.Database != nil || more.Databases != nil {
		h.Database, h.Databases = more.Database, more.Databases
	}
	return nil
}

// configured returns what Synapse's usage report takes from here, with the
// defaults of synapse/config/cache.py, 1.160.
func (h *homeserver) configured() *Configured {
	c := &Configured{ServerContext: h.ServerContext, CacheFactor: 0.5, EventCacheSize: 10 << 10}
	if h.Caches.GlobalFactor != nil {
		c.CacheFactor = *h.Caches.GlobalFactor
	}
	if size, ok := parseSize(h.EventCacheSize); ok {
		c.EventCacheSize = size
	}
	return c
}

// parseSize reads a size as Synapse does: a number, or one with K or M behind
// it.
func parseSize(v any) (int, bool) {
	text := fmt.Sprint(v)
	factor := 1
	switch {
	case strings.HasSuffix(text, "K"):
		factor, text = 1<<10, strings.TrimSuffix(text, "K")
	case strings.HasSuffix(text, "M"):
		factor, text = 1<<20, strings.TrimSuffix(text, "M")
	}
	n, err := strconv.Atoi(text)
	return n * factor, err == nil
}

// main returns the database that holds the tables about users: the only one,
// or the one of several with the data store "main".
func (h *homeserver) main() (database, error) {
	if h.Database != nil {
		return *h.Database, nil
	}
	for _, name := range slices.Sorted(maps.Keys(h.Databases)) {
		d := h.Databases[name]
		if len(d.DataStores) == 0 || slices.Contains(d.DataStores, "main") {
			return d, nil
		}
	}
	return database{}, errors.New("it names no database: give its location, as in postgres://USER@HOST/DATABASE or sqlite:/path/to/homeserver.db")
}

// source returns where the database is.
func (d database) source() (sqldb.Source, error) {
	switch d.Name {
	case "sqlite3":
		path, _ := d.Args["database"].(string)
		if !filepath.IsAbs(path) {
			return sqldb.Source{}, fmt.Errorf("the path %q is relative to wherever Synapse was started: give the location as sqlite:/path/to/homeserver.db", path)
		}
		return sqldb.ParseSource("sqlite:" + path)
	case "psycopg2":
		return sqldb.ParseSource(d.url())
	}
	return sqldb.Source{}, fmt.Errorf("name: %q is neither psycopg2 nor sqlite3", d.Name)
}

// url writes the arguments of psycopg2, which are libpq's, as the URL that
// libpq also takes. Those of Synapse's connection pool (cp_min, cp_max …) and
// of TCP have no meaning for us.
func (d database) url() string {
	values := url.Values{}
	for _, key := range []string{
		"passfile", "service", "servicefile",
		"sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "connect_timeout", "target_session_attrs",
	} {
		if v := d.arg(key); v != "" {
			values.Set(key, v)
		}
	}
	host, port := d.arg("host"), cmp.Or(d.arg("port"), "5432")
	u := url.URL{Scheme: "postgres", Path: "/" + cmp.Or(d.arg("dbname"), d.arg("database"))}
	if strings.HasPrefix(host, "/") { // the folder of a Unix socket
		values.Set("host", host)
		values.Set("port", port)
	} else if host != "" {
		u.Host = net.JoinHostPort(host, port)
	}
	if user := d.arg("user"); user != "" {
		u.User = url.UserPassword(user, d.arg("password"))
	}
	u.RawQuery = values.Encode()
	return u.String()
}

// arg returns an argument as text, "" if it is not there.
func (d database) arg(key string) string {
	if v := d.Args[key]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}
