package ejabberd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// options are those of ejabberd.yml, or a part of them.
type options map[string]any

// maxIncludes is how many files are read for one configuration.
const maxIncludes = 32

// ejabberdYML is ejabberd's configuration as far as it matters here.
type ejabberdYML struct {
	folder string
	read   []string // the files
	top    options
	macros options // of define_macro
}

// readEjabberdYML reads the virtual hosts, their databases and their modules
// from ejabberd.yml, or from the folder that holds it, and from the files that
// it includes.
func readEjabberdYML(o *Options, path string) error {
	if document.IsFolder(path) {
		path = filepath.Join(path, "ejabberd.yml")
	}
	c := &ejabberdYML{folder: filepath.Dir(path), macros: make(options)}
	top, err := c.file(path)
	if err != nil {
		return err
	}
	c.top = top
	hosts := c.texts(top["hosts"])
	if len(hosts) == 0 {
		return fmt.Errorf("%s: it lists no hosts", path)
	}
	o.Modules = make(map[string][]string)
	for _, host := range hosts {
		own, more := c.part(top["host_config"], host), c.part(top["append_host_config"], host)
		modules := c.options(top["modules"])
		if own["modules"] != nil {
			modules = c.options(own["modules"])
		}
		all := slices.Collect(maps.Keys(modules))
		o.Modules[host] = slices.Compact(slices.Sorted(slices.Values(slices.AppendSeq(all, maps.Keys(c.options(more["modules"]))))))

		source, err := c.source(own)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		o.Databases = addDatabase(o.Databases, source, host)
	}
	return nil
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
// before what it includes.
func (c *ejabberdYML) file(path string) (options, error) {
	if slices.Contains(c.read, path) || len(c.read) >= maxIncludes {
		return nil, fmt.Errorf("%s: included twice, or one of more than %d files", path, maxIncludes)
	}
	c.read = append(c.read, path)
	content, err := document.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var top options
	if err := yaml.Unmarshal(content, &top); err != nil {
		// The error itself may quote a password.
		return nil, fmt.Errorf("%s: not a configuration of ejabberd%s", path, regexp.MustCompile(`: line \d+|\n +line \d+`).FindString(err.Error()))
	}
	if top == nil {
		top = make(options)
	}
	maps.Copy(c.macros, c.options(top["define_macro"]))
	for name, limits := range c.included(top["include_config_file"]) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		if rest, err := filepath.Rel(c.folder, name); err != nil || !filepath.IsLocal(rest) {
			return nil, fmt.Errorf("%s: include_config_file names a file outside of %s, which is not read: give the location of the database instead", path, c.folder)
		}
		more, err := c.file(filepath.Clean(name))
		if err != nil {
			return nil, err
		}
		top.add(more, limits)
	}
	return top, nil
}

// include says which options are taken from a file that is included: those of
// only, if there are any, but for those of not.
type include struct{ only, not []string }

// included returns the files of include_config_file: a name, a list of names,
// or names with limits.
func (c *ejabberdYML) included(value any) map[string]include {
	files := make(map[string]include)
	for _, name := range c.texts(value) {
		files[name] = include{}
	}
	for name, limits := range c.options(value) {
		l := c.options(limits)
		files[name] = include{only: c.texts(l["allow_only"]), not: c.texts(l["disallow"])}
	}
	return files
}

// add adds options that are not there yet, and the members of modules and the
// like.
func (o options) add(more options, limits include) {
	for _, key := range slices.Sorted(maps.Keys(more)) {
		if slices.Contains(limits.not, key) || limits.only != nil && !slices.Contains(limits.only, key) {
			continue
		}
		ours, both := o[key].(options)
		theirs, ok := more[key].(options)
		switch {
		case o[key] == nil:
			o[key] = more[key]
		case both && ok:
			for name, value := range theirs {
				if _, there := ours[name]; !there {
					ours[name] = value
				}
			}
		}
	}
}

// source returns the database of a virtual host with options of its own; the
// zero Source if there is none. Defaults are those of ejabberd.
func (c *ejabberdYML) source(own options) (sqldb.Source, error) {
	option := func(name string) string {
		if v, ok := own[name]; ok {
			return c.text(v)
		}
		return c.text(c.top[name])
	}
	database := sqldb.Location{
		Host: cmp.Or(option("sql_server"), "localhost"), Port: option("sql_port"), Database: cmp.Or(option("sql_database"), "ejabberd"),
		User: cmp.Or(option("sql_username"), "ejabberd"), Password: option("sql_password"), Encrypted: option("sql_ssl") == "true",
	}
	switch kind := option("sql_type"); kind {
	case "":
		return sqldb.Source{}, nil
	case "sqlite":
		if !filepath.IsAbs(option("sql_database")) {
			return sqldb.Source{}, errors.New("sql_database is no absolute path: give the location as sqlite:/path/to/ejabberd.db")
		}
		return sqldb.ParseSource("sqlite:" + option("sql_database"))
	case "pgsql":
		return database.PostgreSQL()
	case "mysql":
		return database.MySQL()
	default:
		return sqldb.Source{}, fmt.Errorf("sql_type: databases of kind %q cannot be read", kind)
	}
}

// part returns the options of a virtual host.
func (c *ejabberdYML) part(value any, host string) options { return c.options(c.options(value)[host]) }

func (c *ejabberdYML) options(value any) options {
	if name, ok := value.(string); ok {
		value = c.macros[name]
	}
	o, _ := value.(options)
	return o
}

// texts returns a list of texts, or the only one.
func (c *ejabberdYML) texts(value any) (all []string) {
	if name, ok := value.(string); ok && c.macros[name] != nil {
		value = c.macros[name]
	}
	switch v := value.(type) {
	case string:
		return []string{c.text(v)}
	case []any:
		for _, item := range v {
			all = append(all, c.text(item))
		}
	}
	return all
}

// text returns a single value with macros replaced: a name of a macro by
// itself, or within, as @NAME@ (since 25.03).
func (c *ejabberdYML) text(value any) string {
	if value == nil {
		return ""
	}
	text := fmt.Sprint(value)
	if macro, ok := c.macros[text]; ok {
		return fmt.Sprint(macro)
	}
	for name, macro := range c.macros {
		text = strings.ReplaceAll(text, "@"+name+"@", fmt.Sprint(macro))
	}
	return text
}
