package systemmetrics

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"active_users_exporter/collector/metric"
)

// A Cluster is a MongooseIM cluster with what one of its nodes reports of itself
// and of the cluster, or answers when it is asked.
type Cluster struct {
	Report
	// Name is the value of the label "cluster".
	Name string
	// Reported is when the report was written or received; the zero time without
	// one, where the server was asked.
	Reported time.Time
}

// NewCollector returns a collector of Families: of the clusters that were read,
// under the name of the server that was configured where they have none of their
// own, and of those that reported. Both are asked at each scrape.
func NewCollector(read, reported func() []Cluster) metric.Described {
	owner := metric.Owner[Cluster]{Label: "cluster", Name: func(c Cluster) string { return c.Name }}
	return metric.NewCollector(owner, func() []Cluster { return union(read(), reported()) }, Families())
}

// union returns each cluster once: a report that was read from a file wins, then
// one that was pushed, because a report has every item, then answers to
// questions. If two have the same name, the first one wins.
func union(read, reported []Cluster) (all []Cluster) {
	var files, asked []Cluster
	for _, c := range read {
		c.Name = cmp.Or(c.ClientID, c.Name)
		if c.Reported.IsZero() {
			asked = append(asked, c)
		} else {
			files = append(files, c)
		}
	}
	seen := make(map[string]bool)
	for _, c := range slices.Concat(files, reported, asked) {
		if !seen[c.Name] {
			seen[c.Name] = true
			all = append(all, c)
		}
	}
	return all
}

// Families are the families about what MongooseIM reports of itself: every
// item of "what information is gathered" in its documentation.
func Families() []metric.Family[Cluster] {
	return slices.Concat(clusterNumbers(), []metric.Family[Cluster]{
		{
			Name: "mongooseim_info", Kind: metric.Gauge, Labels: []string{"version", "config_type"},
			Help: "1, with the version and the format of the configuration, empty if they are not known.",
			Read: func(c Cluster, emit metric.Emit) {
				if c.Version != "" || c.ConfigType != "" {
					emit(1, c.Version, c.ConfigType)
				}
			},
		},
		{
			Name: "mongooseim_cluster_location_info", Kind: metric.Gauge, Labels: []string{"continent", "country"},
			Help: "1, with the codes of the continent and the country that a cluster reports from, by reports.geoip_database.",
			Read: func(c Cluster, emit metric.Emit) {
				if c.Continent != "" || c.Country != "" {
					emit(1, c.Continent, c.Country)
				}
			},
		},
		{
			Name: "mongooseim_module_info", Kind: metric.Gauge, Labels: []string{"module", "option", "value"},
			Help: "1 for each option of a loaded module, over all host types. Option and value are empty for a module without options.",
			Read: func(c Cluster, emit metric.Emit) {
				for _, m := range c.Modules {
					emit(1, m.Name, m.Option, m.Value)
				}
			},
		},
		{
			Name: "mongooseim_http_api_enabled", Kind: metric.Gauge, Labels: []string{"handler"},
			Help: "1 for each HTTP handler that is configured, as MongooseIM's system metrics report it.",
			Read: ones(func(c Cluster) []string { return c.HTTPHandlers }),
		},
		{
			Name: "mongooseim_transport_enabled", Kind: metric.Gauge, Labels: []string{"transport"},
			Help: "1 for each way in which clients may connect, as MongooseIM's system metrics report it; tcp means at least one listener.",
			Read: ones(func(c Cluster) []string { return c.Transports }),
		},
		{
			Name: "mongooseim_outgoing_pools", Kind: metric.Gauge, Labels: []string{"type"},
			Help: "Configured outgoing connection pools by type, as MongooseIM's system metrics report them.",
			Read: counts(func(c Cluster) map[string]int { return c.Pools }),
		},
		{
			Name: "mongooseim_xmpp_stanzas_total", Kind: metric.Counter, Labels: []string{"stanza_type"},
			Help: "Stanzas of the reporting node since it started, by type, as MongooseIM's system metrics report them.",
			Read: counts(func(c Cluster) map[string]int64 { return c.Stanzas }),
		},
		{
			Name: "mongooseim_last_report_timestamp_seconds", Unit: "seconds", Kind: metric.Gauge,
			Help: "Unix time at which the newest report was written to its file or received. MongooseIM writes one every 3 hours by default.",
			Read: func(c Cluster, emit metric.Emit) {
				if !c.Reported.IsZero() {
					emit(metric.Seconds(c.Reported))
				}
			},
		},
	})
}

// clusterNumbers are the families with one value for a cluster.
func clusterNumbers() (families []metric.Family[Cluster]) {
	for _, f := range []struct {
		name, unit, help string
		value            func(Cluster) Number
	}{
		{"mongooseim_uptime_seconds", "seconds", "Uptime of the node that reported or was asked.", func(c Cluster) Number { return c.Uptime }},
		{"mongooseim_cluster_nodes", "", "Erlang nodes in the cluster; an open maintenance shell counts as one.", func(c Cluster) Number { return c.Nodes }},
		{"mongooseim_hosts", "", "Host types, where each static host is one; before 5.0, virtual hosts.", func(c Cluster) Number { return c.Hosts }},
		{"mongooseim_domains", "", "Static and dynamic domains; since MongooseIM 5.0.", func(c Cluster) Number { return c.Domains }},
		{"mongooseim_custom_modules", "", "Loaded modules that MongooseIM's system metrics take for custom ones; some of MongooseIM's own are among them.", func(c Cluster) Number { return c.CustomModules }},
		{"mongooseim_external_components", "", "External XMPP components connected to the reporting node.", func(c Cluster) Number { return c.ExternalComponents }},
	} {
		families = append(families, metric.Family[Cluster]{
			Name: f.name, Unit: f.unit, Kind: metric.Gauge, Help: f.help,
			Read: func(c Cluster, emit metric.Emit) {
				if n := f.value(c); n.Known {
					emit(float64(n.Value))
				}
			},
		})
	}
	return families
}

func ones(names func(Cluster) []string) func(Cluster, metric.Emit) {
	return func(c Cluster, emit metric.Emit) {
		for _, name := range names(c) {
			emit(1, name)
		}
	}
}

func counts[N int | int64](of func(Cluster) map[string]N) func(Cluster, metric.Emit) {
	return func(c Cluster, emit metric.Emit) {
		values := of(c)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			emit(float64(values[name]), name)
		}
	}
}
