package ejabberd

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// maxIncludes is how many files are read for one configuration.
const maxIncludes = 32

// ejabberdYML is ejabberd's configuration as far as it matters here.
type ejabberdYML struct {
	folder string
	read   []string // the files
	top    options
	names  names // of define_macro and define_keyword
	source map[*yaml.Node]string
	warn   func(format string, args ...any)
}

// readEjabberdYML reads the virtual hosts, their databases, their modules and which
// records are where from ejabberd.yml, or from the folder that holds it, and from the files that
// it includes, as ejabberd 26.07 does; warn is called with what is odd.
func readEjabberdYML(o *Options, path string, warn func(format string, args ...any)) error {
	if document.IsFolder(path) {
		path = filepath.Join(path, "ejabberd.yml")
	}
	c, err := parseEjabberdYML(path, warn)
	if err != nil {
		return err
	}
	hosts := c.hosts()
	if len(hosts) == 0 {
		return fmt.Errorf("%s: it lists no hosts", path)
	}
	o.Modules, o.Hosts = make(map[string][]string), make(map[string]Host)
	for _, host := range hosts {
		o.Modules[host], o.Hosts[host] = c.modules(host), c.storages(host)
		source, err := c.database(host, c.part(c.top["host_config"], host))
		if err != nil {
			return err
		}
		if source.IsZero() {
			o.Hosts[host] = o.Hosts[host].toldByAPI()
		}
		o.Databases = addDatabase(o.Databases, source, host)
	}
	return nil
}

func parseEjabberdYML(path string, warn func(format string, args ...any)) (*ejabberdYML, error) {
	c := &ejabberdYML{folder: filepath.Dir(path), warn: warn, source: make(map[*yaml.Node]string)}
	var err error
	if c.top, err = c.file(path); err != nil {
		return nil, err
	}
	c.names = names{macros: c.options(c.top["define_macro"]), keywords: c.options(c.top["define_keyword"])}
	return c, nil
}

// hosts returns the virtual hosts, in small letters.
func (c *ejabberdYML) hosts() []string {
	hosts := c.texts(c.top["hosts"])
	for i, host := range hosts {
		hosts[i] = strings.ToLower(host)
	}
	return hosts
}

// modules returns the modules of a virtual host, in order.
func (c *ejabberdYML) modules(host string) []string {
	modules := c.options(c.top["modules"])
	if own := c.part(c.top["host_config"], host)["modules"]; own != nil {
		modules = c.options(own)
	}
	more := c.options(c.part(c.top["append_host_config"], host)["modules"])
	return slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(slices.Collect(maps.Keys(modules)), maps.Keys(more)))))
}

// addDatabase adds that of a host. One that several hosts share is of the
// multihost schema, which distinguishes them.
func addDatabase(all []Database, source sqldb.Source, host string) []Database {
	if source.IsZero() {
		return all
	}
	for i := range all {
		if all[i].Source == source {
			all[i].Host = ""
			return all
		}
	}
	return append(all, Database{Source: source, Host: host})
}

// file reads a file and those that it includes. What the file itself says goes
// before what it includes; ejabberd refuses a single value that both have.
func (c *ejabberdYML) file(path string) (options, error) {
	if slices.Contains(c.read, path) || len(c.read) >= maxIncludes {
		return nil, fmt.Errorf("%s: included twice, or one of more than %d files", path, maxIncludes)
	}
	c.read = append(c.read, path)
	content, err := document.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err := document.ParseYAML(path, content)
	if err != nil {
		return nil, err
	}
	top := make(options)
	if root == nil {
		return top, nil
	}
	c.remember(root, path)
	if root.Kind != yaml.MappingNode {
		return nil, c.wrong(root, "not a configuration of ejabberd, which is a mapping of options to values")
	}
	top.addAll(root, c.warnTwice)
	for name, limits := range c.included(top["include_config_file"]) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		if !isInside(name, c.folder) {
			return nil, c.wrong(top["include_config_file"], "include_config_file names a file outside of %s, which is not read: give the location of the database instead", c.folder)
		}
		more, err := c.file(filepath.Clean(name))
		if err != nil {
			return nil, err
		}
		for _, key := range slices.Sorted(maps.Keys(more)) {
			if limits.takes(key) {
				top.addIncluded(key, more[key])
			}
		}
	}
	return top, nil
}

// remember notes which file nodes are from.
func (c *ejabberdYML) remember(n *yaml.Node, file string) {
	c.source[n] = file
	for _, inside := range n.Content {
		c.remember(inside, file)
	}
}

// wrong returns an error about a node, with its place.
func (c *ejabberdYML) wrong(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d:%d: %s", c.source[at], at.Line, at.Column, fmt.Sprintf(format, args...))
}

func (c *ejabberdYML) warnTwice(key *yaml.Node) {
	c.warn("%s", c.wrong(key, "option %s is there twice: the last one counts, if ejabberd takes the file at all", key.Value))
}

// include says which options are taken from a file that is included: those of
// only, if there are any, else all except those of not.
type include struct{ only, not []string }

func (i include) takes(option string) bool {
	if i.only != nil {
		return slices.Contains(i.only, option)
	}
	return !slices.Contains(i.not, option)
}

// included returns the files of include_config_file: a name, a list of names,
// or names with limits.
func (c *ejabberdYML) included(n *yaml.Node) map[string]include {
	files := make(map[string]include)
	for _, name := range c.texts(n) {
		if name != "" { // nothing behind the colon
			files[name] = include{}
		}
	}
	for name, limits := range c.options(n) {
		l := c.options(limits)
		files[name] = include{only: c.texts(l["allow_only"]), not: c.texts(l["disallow"])}
	}
	return files
}

// database returns the database of a virtual host with options of its own; the
// zero Source if there is none.
func (c *ejabberdYML) database(host string, own options) (source sqldb.Source, err error) {
	at := func(name string) *yaml.Node {
		return cmp.Or(own[name], c.top[name], own["sql_type"], c.top["sql_type"], c.top["odbc_type"])
	}
	switch kind, database := c.location(host, own); kind {
	case "":
		return sqldb.Source{}, nil
	case "sqlite":
		if !filepath.IsAbs(database.Database) {
			return sqldb.Source{}, c.wrong(at("sql_database"), "sql_database is no absolute path: give the location as sqlite:/path/to/ejabberd.db")
		}
		source, err = sqldb.ParseSource("sqlite:" + database.Database)
	case "pgsql":
		source, err = database.PostgreSQL()
	case "mysql":
		source, err = database.MySQL()
	default:
		return sqldb.Source{}, c.wrong(at("sql_type"), "sql_type: databases of kind %q cannot be read: give the location of the database itself, if it is of another kind", kind)
	}
	if err != nil {
		err = c.wrong(at("sql_server"), "sql_server, sql_port and the like make no location of a database: %s", err)
	}
	return source, err
}

// location returns the kind of the database and where it is, with the defaults of
// ejabberd.
func (c *ejabberdYML) location(host string, own options) (kind string, database sqldb.Location) {
	prefix := "sql_"
	if own["sql_type"] == nil && c.top["sql_type"] == nil {
		prefix = "odbc_" // until 16.x
	}
	option := func(name string) string {
		n := cmp.Or(own[prefix+name], c.top[prefix+name])
		text := c.names.text(n)
		if name == "database" { // since 25.03
			text = strings.ReplaceAll(text, "@HOST@", host)
		}
		if unknown := unknownName.FindString(text); unknown != "" && name != "password" {
			c.warn("%s%s: %s is not defined: if it is in the environment of ejabberd (EJABBERD_MACRO_%s), it must be in that of the exporter too", prefix, name, unknown, strings.Trim(unknown, "@"))
		}
		return text
	}
	database = sqldb.Location{
		Host: cmp.Or(option("server"), "localhost"), Port: option("port"), Database: cmp.Or(option("database"), "ejabberd"),
		User: cmp.Or(option("username"), "ejabberd"), Password: option("password"), Encrypted: isTrue(option("ssl")),
	}
	if database.Encrypted && isTrue(option("ssl_verify")) {
		if file := option("ssl_cafile"); file != "" {
			database.Authorities = document.Below(c.folder, file)
		} else {
			c.warn("sql_ssl_verify is true without sql_ssl_cafile: ejabberd then verifies no certificate, and neither does the exporter")
		}
	}
	return option("type"), database
}

func isTrue(text string) bool { return slices.Contains([]string{"true", "yes", "on"}, text) }

// part returns the options of a virtual host.
func (c *ejabberdYML) part(n *yaml.Node, host string) options {
	for name, own := range c.options(n) {
		if strings.ToLower(name) == host {
			return c.options(own)
		}
	}
	return nil
}

// options returns the options in a mapping, which a macro may stand for.
func (c *ejabberdYML) options(n *yaml.Node) options {
	o := make(options)
	if n = c.names.resolve(n); n != nil && n.Kind == yaml.MappingNode {
		o.addAll(n, func(key *yaml.Node) {
			if strings.HasPrefix(key.Value, "sql_") { // others are read by name alone
				c.warnTwice(key)
			}
		})
	}
	return o
}

// texts returns a list of texts, or the only one.
func (c *ejabberdYML) texts(n *yaml.Node) (all []string) {
	n = c.names.resolve(n)
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode:
		return []string{c.names.text(n)}
	case n.Kind == yaml.SequenceNode:
		for _, item := range n.Content {
			all = append(all, c.names.text(item))
		}
	}
	return all
}

// isInside returns true for a path that is below a folder. Either may be relative.
func isInside(path, folder string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if folder, err = filepath.Abs(folder); err != nil {
		return false
	}
	rest, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rest)
}
