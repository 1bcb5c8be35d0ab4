package config

import (
	"cmp"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/config/document"
)

// file is our configuration file that is being read.
type file struct {
	*document.Document
	source Source
	kinds  []chatserver.Kind
}

// parse reads the file's content into c.
func parse(c *Config, source Source, content []byte) error {
	f := &file{Document: document.New(source.File, source.LookupEnv), source: source, kinds: source.ChatServers()}
	root, err := f.Root(content)
	if err != nil {
		return err
	}
	values := f.Mapping(root, "the configuration", "refresh_interval", "stale_after", "windows", "clients", "storage", "reports", "nodeinfo", "privacy", "servers")
	for _, key := range document.Keys(values) {
		switch n := values[key]; key {
		case "refresh_interval":
			c.RefreshInterval = f.Duration(n, key)
			if c.RefreshInterval != 0 && c.RefreshInterval < minInterval {
				f.Problem(n, "refresh_interval: the shortest is 1m")
			}
		case "stale_after":
			c.StaleAfter = f.Duration(n, key)
		case "windows":
			c.Windows = f.windows(n)
		case "clients":
			c.Clients = f.clients(n)
		case "storage":
			f.storage(n, &c.Storage)
		case "reports":
			f.reports(n, &c.Reports)
		case "nodeinfo":
			f.nodeInfo(n, &c.NodeInfo)
		case "privacy":
			f.privacy(n, c)
		case "servers":
			c.Servers = f.servers(n)
		}
	}
	f.checkStaleAfter(values["stale_after"], c)
	return f.Err()
}

// privacy reads from how many people on they are shown as a group of their own.
func (f *file) privacy(n *yaml.Node, c *Config) {
	if n := f.Mapping(n, "privacy", "minimum")["minimum"]; n != nil {
		c.Minimum = activity.Minimum(f.Count(n, "minimum"))
	}
}

func (f *file) checkStaleAfter(n *yaml.Node, c *Config) {
	if n == nil || f.Err() != nil {
		return
	}
	if c.StaleAfter < cmp.Or(f.source.RefreshInterval, c.RefreshInterval, defaultInterval) {
		f.Problem(n, "stale_after is shorter than refresh_interval: figures would come and go")
	}
}

// maxWindows keeps the number of series small.
const maxWindows = 10

func (f *file) windows(n *yaml.Node) (windows []activity.Window) {
	items := f.List(n, "windows")
	seen := make(map[activity.Window]bool)
	for _, item := range items {
		w, err := activity.ParseWindow(f.Text(item, "window"))
		switch {
		case err != nil:
			f.Problem(item, "%s", err)
		case seen[w]:
			f.Problem(item, "window %s is there twice", w)
		}
		seen[w] = true
		windows = append(windows, w)
	}
	if len(items) == 0 || len(items) > maxWindows {
		f.Problem(n, "windows: want one to %d, such as [1d, 7d, 30d]", maxWindows)
	}
	return windows
}
