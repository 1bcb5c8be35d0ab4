package config

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
)

// parse reads the file's content into c.
func parse(c *Config, source Source, content []byte) error {
	d := &document{file: source.File, lookupEnv: source.LookupEnv, marked: make(map[*yaml.Node]bool)}
	root, err := d.root(content)
	if err != nil {
		return err
	}
	values := d.mapping(root, "the configuration", "refresh_interval", "stale_after", "windows", "clients", "storage", "reports", "nodeinfo", "servers")
	for _, key := range keys(values) {
		switch n := values[key]; key {
		case "refresh_interval":
			c.RefreshInterval = d.duration(n, key)
			if c.RefreshInterval != 0 && c.RefreshInterval < minInterval {
				d.problem(n, "refresh_interval: the shortest is 1m")
			}
		case "stale_after":
			c.StaleAfter = d.duration(n, key)
		case "windows":
			c.Windows = d.windows(n)
		case "clients":
			c.Clients = d.clients(n)
		case "storage":
			d.storage(n, &c.Storage)
		case "reports":
			d.reports(n, &c.Reports)
		case "nodeinfo":
			d.nodeInfo(n, &c.NodeInfo)
		case "servers":
			c.Servers = d.servers(n)
		}
	}
	if n := values["stale_after"]; n != nil && len(d.mistakes) == 0 {
		if c.StaleAfter < cmp.Or(source.RefreshInterval, c.RefreshInterval, defaultInterval) {
			d.problem(n, "stale_after is shorter than refresh_interval: figures would come and go")
		}
	}
	return errors.Join(d.mistakes...)
}

// duration reads a duration as Prometheus writes them.
func (d *document) duration(n *yaml.Node, key string) time.Duration {
	text := d.text(n, key)
	v, err := model.ParseDuration(text)
	if err != nil || v <= 0 {
		d.problem(n, "%s: %q is no duration: write it as in 30m, 1h or 1d", key, text)
		return 0
	}
	return time.Duration(v)
}

// maxWindows keeps the number of series small.
const maxWindows = 10

func (d *document) windows(n *yaml.Node) (windows []activity.Window) {
	items := d.list(n, "windows")
	seen := make(map[activity.Window]bool)
	for _, item := range items {
		w, err := activity.ParseWindow(d.text(item, "window"))
		switch {
		case err != nil:
			d.problem(item, "%s", err)
		case seen[w]:
			d.problem(item, "window %s is there twice", w)
		}
		seen[w] = true
		windows = append(windows, w)
	}
	if len(items) == 0 || len(items) > maxWindows {
		d.problem(n, "windows: want one to %d, such as [1d, 7d, 30d]", maxWindows)
	}
	return windows
}

func (d *document) servers(n *yaml.Node) (servers []Server) {
	taken := make(map[string]bool)
	for _, item := range d.list(n, "servers") {
		values := d.mapping(item, "a server", "name", "software", "from", "password_file", "domain",
			"status_url", "metrics_url", "admin_socket", "api_url", "api_password_file", "graphql_url", "graphql_password_file", "report_file", "required_modules", "own_metric_names")
		server := d.server(item, values)
		if name := values["name"]; name != nil {
			server.Name = d.name(name)
			if taken[server.Name] {
				d.problem(name, "name: another server is named %q: give each its own", server.Name)
			}
			taken[server.Name] = true
		}
		servers = append(servers, server)
	}
	return servers
}

// server reads one item of servers, but for its name.
func (d *document) server(n *yaml.Node, values map[string]*yaml.Node) Server {
	server := Server{}
	software, from := values["software"], values["from"]
	elsewhere := values["metrics_url"] != nil || values["api_url"] != nil || values["graphql_url"] != nil
	if software == nil || from == nil && !elsewhere {
		d.problem(n, "a server needs both software (synapse, prosody, ejabberd or mongooseim) and from (where its records are)")
		return server
	}
	var err error
	if server.Software, err = parseSoftware(d.text(software, "software")); err != nil {
		d.problem(software, "software: %s", err)
		return server
	}
	folder := filepath.Dir(d.file)
	if from != nil {
		location := d.text(from, "from")
		if location == "" {
			d.problem(from, "from is empty")
			return server
		}
		if err := locate(&server, location, folder); err != nil {
			d.problem(from, "from: %s", err)
		}
	}
	d.foreign(values, server.Software)
	switch server.Software {
	case Synapse:
		d.synapseOptions(&server, values, folder)
	case Ejabberd:
		d.ejabberdOptions(&server, cmp.Or(from, n), values, folder)
	case MongooseIM:
		d.mongooseIMOptions(&server, cmp.Or(from, n), values, folder)
	default:
		d.prosodyOptions(&server, values, folder)
	}
	return server
}

// maxName is the longest name of a server, in bytes.
const maxName = 64

func (d *document) name(n *yaml.Node) string {
	name := d.text(n, "name")
	printable := !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == utf8.RuneError })
	if name == "" || len(name) > maxName || !printable {
		d.problem(n, "name: want 1 to %d bytes of printable text", maxName)
	}
	return name
}

// foreign reports the keys that are for another kind of chat server.
func (d *document) foreign(values map[string]*yaml.Node, ours Software) {
	for _, key := range keys(values) {
		if whose := keysOf(key); whose != nil && !slices.Contains(whose, ours) {
			names := make([]string, len(whose))
			for i, s := range whose {
				names[i] = string(s)
			}
			d.problem(values[key], "%s is for software: %s", key, strings.Join(names, " or "))
			delete(values, key)
		}
	}
}

// keysOf returns the kinds of chat server that a key of a server is for, nil
// for all.
func keysOf(key string) []Software {
	switch key {
	case "status_url", "metrics_url", "admin_socket", "own_metric_names":
		return []Software{Prosody}
	case "api_url", "api_password_file":
		return []Software{Ejabberd}
	case "graphql_url", "graphql_password_file", "report_file":
		return []Software{MongooseIM}
	case "domain":
		return []Software{Ejabberd, MongooseIM}
	case "required_modules":
		return []Software{Prosody, Ejabberd, MongooseIM}
	}
	return nil
}
