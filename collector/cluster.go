package collector

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// A Cluster is what a MongooseIM node reports of itself and of its cluster: its
// system metrics.
type Cluster struct {
	// Name is the cluster's own id, or "" to name it after the server that was
	// configured: the label "cluster".
	Name string
	// Reported is when the report was written or received; zero without one,
	// where the server was asked.
	Reported time.Time
	// What a report does not say is unknown.
	UptimeSeconds, Nodes, Hosts, Domains, CustomModules, ExternalComponents Count
	Version, ConfigType                                                     string
	// Modules are the loaded modules with their options, each once.
	Modules []ClusterModule
	// HTTPAPIs and Transports are the names of what is enabled, each once.
	HTTPAPIs, Transports []string
	// Pools are the numbers of outgoing pools by type, Stanzas those of stanzas
	// by type since the node was started.
	Pools, Stanzas map[string]int
}

// A ClusterModule is a loaded module with one of its options, which are empty
// if it has none.
type ClusterModule struct{ Name, Option, Value string }

// clusters returns what was read, and what was reported of clusters that were
// not: of two of our servers that are one cluster the first speaks for it, and
// a report, which has every item, before answers to questions.
func clusters(statuses []Status, reports *Reports) (all []Cluster) {
	seen := make(map[string]bool)
	add := func(c Cluster) {
		if !seen[c.Name] {
			seen[c.Name] = true
			all = append(all, c)
		}
	}
	var asked []Cluster
	for _, s := range statuses {
		if s.Snapshot == nil || s.Snapshot.Cluster == nil {
			continue
		}
		c := *s.Snapshot.Cluster
		c.Name = cmp.Or(c.Name, s.Server)
		if c.Reported.IsZero() {
			asked = append(asked, c)
		} else {
			add(c)
		}
	}
	if reports != nil {
		for _, c := range reports.Clusters {
			add(c)
		}
	}
	for _, c := range asked {
		add(c)
	}
	return all
}

// systemMetrics are the families about what MongooseIM reports of itself: every
// item of "what information is gathered" in its documentation.
func systemMetrics() []family {
	const (
		reported = " As MongooseIM's system metrics say."
		orAsked  = " As MongooseIM's system metrics say, or without a report its GraphQL."
	)
	return slices.Concat(clusterNumbers(orAsked), []family{
		{
			name: "mongooseim_info", kind: gauge, labels: []string{"version", "config_type"},
			help: "1, with the version and the format of the configuration, empty where they are not known." + orAsked,
			cluster: func(c Cluster, emit emit) {
				if c.Version != "" || c.ConfigType != "" {
					emit(1, c.Version, c.ConfigType)
				}
			},
		},
		{
			name: "mongooseim_module_info", kind: gauge, labels: []string{"module", "option", "value"},
			help: "1 for each option of a module that is loaded for any host type; option and value are empty where there is none, also for a host type that lacks the module. " +
				"The backend of mod_event_pusher is a pusher, not a database. Modules of MongooseIM without the marker for system metrics are in GraphQL alone." + orAsked,
			cluster: func(c Cluster, emit emit) {
				for _, m := range c.Modules {
					emit(1, m.Name, m.Option, m.Value)
				}
			},
		},
		{
			name: "mongooseim_http_api_enabled", kind: gauge, labels: []string{"handler"},
			help:    "1 for each HTTP handler that is configured; their names differ between versions." + reported,
			cluster: ones(func(c Cluster) []string { return c.HTTPAPIs }),
		},
		{
			name: "mongooseim_transport_enabled", kind: gauge, labels: []string{"transport"},
			help:    "1 for each way in which clients may connect; tcp for at least one listener." + reported,
			cluster: ones(func(c Cluster) []string { return c.Transports }),
		},
		{
			name: "mongooseim_outgoing_pools", kind: gauge, labels: []string{"type"},
			help:    "Outgoing connection pools that are configured, by type." + reported,
			cluster: numbers(func(c Cluster) map[string]int { return c.Pools }),
		},
		{
			name: "mongooseim_xmpp_stanzas_total", kind: counter, labels: []string{"stanza_type"},
			help:    "Stanzas since the reporting node was started, of that node alone: Sent by clients, Received by clients. Absent without instrumentation." + reported,
			cluster: numbers(func(c Cluster) map[string]int { return c.Stanzas }),
		},
		{
			name: "mongooseim_last_report_timestamp_seconds", unit: "seconds", kind: gauge,
			help: "Unix time at which the newest report was written to its file, or received. MongooseIM writes one every 3 hours by default, the first 5 minutes after its start.",
			cluster: func(c Cluster, emit emit) {
				if !c.Reported.IsZero() {
					emit(seconds(c.Reported))
				}
			},
		},
	})
}

// clusterNumbers are the families with one value for a cluster.
func clusterNumbers(source string) (families []family) {
	for _, f := range []struct {
		name, unit, help string
		of               func(Cluster) Count
	}{
		{"mongooseim_uptime_seconds", "seconds", "Uptime of one node, at its report or when it was asked.", func(c Cluster) Count { return c.UptimeSeconds }},
		{"mongooseim_cluster_nodes", "", "Erlang nodes connected to one another, also that of a maintenance shell while it is open.", func(c Cluster) Count { return c.Nodes }},
		{"mongooseim_hosts", "", "Host types, of which each static host is one; virtual hosts before 5.0.", func(c Cluster) Count { return c.Hosts }},
		{"mongooseim_domains", "", "Domains that are served, static and dynamic; since 5.0.", func(c Cluster) Count { return c.Domains }},
		{"mongooseim_custom_modules", "", "Loaded modules without the marker for system metrics. In a report this is not the number of custom modules: some 25 of MongooseIM's own lack the marker, 2 of them in the shipped configuration. GraphQL lists the modules: from there it is the number of those that MongooseIM 6.8 does not bring.", func(c Cluster) Count { return c.CustomModules }},
		{"mongooseim_external_components", "", "External XMPP components connected to the reporting node; in reports alone.", func(c Cluster) Count { return c.ExternalComponents }},
	} {
		families = append(families, family{
			name: f.name, unit: f.unit, kind: gauge, help: f.help + source,
			cluster: func(c Cluster, emit emit) {
				if n := f.of(c); n.Known {
					emit(float64(n.Number))
				}
			},
		})
	}
	return families
}

func ones(names func(Cluster) []string) func(Cluster, emit) {
	return func(c Cluster, emit emit) {
		for _, name := range names(c) {
			emit(1, name)
		}
	}
}

func numbers(of func(Cluster) map[string]int) func(Cluster, emit) {
	return func(c Cluster, emit emit) {
		values := of(c)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			emit(float64(values[name]), name)
		}
	}
}
