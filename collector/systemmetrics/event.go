package systemmetrics

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// add takes one event and returns false if it is not known.
func (r *Report) add(e event) bool {
	if e.params == nil {
		return r.addOld(e)
	}
	switch e.name {
	case "host_count":
		return set(&r.Hosts, e.params["value"])
	case "domain_count":
		return set(&r.Domains, e.params["value"])
	case "custom_module_count":
		return set(&r.CustomModules, e.params["value"])
	case "module_with_opt":
		r.addOptions(e.params)
	case "cluster":
		for key, value := range e.params {
			r.addCluster(key, value)
		}
	case "http_api":
		r.HTTPHandlers = enabled(r.HTTPHandlers, e.params)
	case "transport_mechanism":
		r.Transports = enabled(r.Transports, e.params)
	case "outgoing_pool":
		if kind := text(e.params["value"]); kind != "" {
			r.addPools(kind, 1)
		}
	case "xmpp_stanza_count":
		r.addStanzas(text(e.params["stanza_type"]), e.params["total"])
	default:
		return false
	}
	return true
}

// addOld takes an event of 3.6 to 6.0, in which each module has its own name.
func (r *Report) addOld(e event) bool {
	key := text(e.key)
	switch e.name {
	case "hosts":
		return set(&r.Hosts, e.value)
	case "domains":
		return set(&r.Domains, e.value)
	case "custom_modules":
		return set(&r.CustomModules, e.value)
	case "cluster":
		r.addCluster(key, e.value)
	case "http_api":
		r.HTTPHandlers = with(r.HTTPHandlers, key)
	case "transport_mechanism":
		r.Transports = with(r.Transports, key)
	case "outgoing_pools":
		if kind := text(e.value); kind != "" {
			r.addPools(kind, 1)
		}
	case "tls_option":
	default:
		if strings.HasPrefix(e.name, "xmpp") { // the total stands for the key
			r.addStanzas(clipped(e.name), e.key)
			return true
		}
		if !strings.HasPrefix(e.name, "mod_") {
			return false
		}
		m := Module{Name: clipped(e.name), Option: key, Value: text(e.value)}
		if m.Option == "none" {
			m.Option, m.Value = "", ""
		}
		r.addModule(m)
	}
	return true
}

// addCluster takes one member of the event cluster, by its name of either age.
func (r *Report) addCluster(key string, value any) {
	switch key {
	case "uptime":
		if seconds, ok := parseUptime(text(value)); ok {
			r.Uptime = Number{seconds, true}
		}
	case "version", "mim_version":
		r.Version = text(value)
	case "component", "number_of_components":
		set(&r.ExternalComponents, value)
	case "node_number", "number_of_nodes":
		set(&r.Nodes, value)
	case "config_type":
		r.ConfigType = text(value)
	}
}

// addOptions takes a module with its options, one entry for each.
func (r *Report) addOptions(params map[string]any) {
	name := text(params["module"])
	if len(params) == 1 {
		r.addModule(Module{Name: name})
	}
	for _, option := range slices.Sorted(maps.Keys(params)) {
		if value := text(params[option]); option != "module" && value != "" {
			r.addModule(Module{name, clipped(option), value})
		}
	}
}

func (r *Report) addStanzas(kind string, total any) {
	var n Number
	if set(&n, total) && kind != "" {
		r.setStanzas(kind, n.Value)
	}
}

// enabled adds the names of the members that are "enabled".
func enabled(names []string, params map[string]any) []string {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if text(params[name]) == "enabled" {
			names = with(names, clipped(name))
		}
	}
	return names
}

// set takes a number that counts something.
func set(n *Number, value any) bool {
	parsed, err := strconv.ParseInt(text(value), 10, 64)
	if err != nil || parsed < 0 {
		return false
	}
	*n = Number{parsed, true}
	return true
}

// parseUptime reads days, hours, minutes and seconds, as in "0012-03:05:00".
func parseUptime(text string) (seconds int64, ok bool) {
	found := regexp.MustCompile(`^(\d{4,9})-(\d\d):(\d\d):(\d\d)$`).FindStringSubmatch(text)
	if found == nil {
		return 0, false
	}
	for i, unit := range []int64{24 * 60 * 60, 60 * 60, 60, 1} {
		n, err := strconv.ParseInt(found[i+1], 10, 64)
		if err != nil {
			return 0, false
		}
		seconds += n * unit
	}
	return seconds, true
}
