package mongooseim

import (
	"context"
	"slices"
	"strings"

	"active_users_exporter/collector/systemmetrics"
)

// hostType is one with its loaded modules, whose options are those that choose
// a backend.
type hostType struct {
	Name    string `json:"name"`
	Modules []struct {
		Name    string `json:"name"`
		Options []struct {
			Key   string `json:"key"`
			Value string `json:"value"`
		} `json:"options"`
	} `json:"modules"`
}

// describe returns what GraphQL knows about the node and its cluster, of the items
// of a report. It says nothing of who is active: what fails is unknown, and
// returned as sentences for the log.
func (a api) describe(ctx context.Context, r *running) (*systemmetrics.Cluster, []string) {
	if r.onlyDomain != "" { // only the administrator of all domains may ask
		return nil, nil
	}
	c := &systemmetrics.Cluster{Report: systemmetrics.Report{Version: r.version}}
	var warnings []string
	note := func(what string, err error) {
		if err != nil {
			warnings = append(warnings, what+" not known: "+err.Error())
		}
	}
	var err error
	c.Uptime, err = a.uptime(ctx)
	note("the uptime is", err)
	if r.hostTypes == nil { // before 6.6
		return c, warnings
	}
	c.Hosts = systemmetrics.Known(len(r.hostTypes))
	if r.domainsListed {
		c.Domains = systemmetrics.Known(len(r.domains))
	}
	c.Modules, c.CustomModules = modulesOf(r.hostTypes)
	for _, database := range r.databases {
		nodes, err := a.nodes(ctx, database)
		note("the nodes in "+database+" are", err)
		// With both, what is not in CETS yet is in Mnesia.
		if nodes.Known && nodes.Value > c.Nodes.Value {
			c.Nodes = nodes
		}
	}
	return c, warnings
}

// uptime asks for one of the statistics: others cost a count of all accounts.
func (a api) uptime(ctx context.Context) (systemmetrics.Number, error) {
	var answer struct {
		Stat struct {
			Global struct {
				Uptime *int `json:"uptimeSeconds"`
			} `json:"globalStats"`
		} `json:"stat"`
	}
	why, err := a.query(ctx, `{stat{globalStats{uptimeSeconds}}}`, &answer)
	switch {
	case err != nil:
		return systemmetrics.Number{}, err
	case answer.Stat.Global.Uptime == nil:
		return systemmetrics.Number{}, a.failed("the uptime", why["stat"])
	}
	return systemmetrics.Known(*answer.Stat.Global.Uptime), nil
}

// nodes counts the nodes that share an internal database.
func (a api) nodes(ctx context.Context, database string) (systemmetrics.Number, error) {
	var query string
	switch database {
	case "cets":
		query = `{cets{systemInfo{joinedNodes}}}`
	case "mnesia":
		query = `{mnesia{systemInfo(keys:["running_db_nodes"]){... on MnesiaListResponse{key result}}}}`
	default: // of a version to come
		return systemmetrics.Number{}, nil
	}
	var answer struct {
		CETS struct {
			Info struct {
				Joined []string `json:"joinedNodes"`
			} `json:"systemInfo"`
		} `json:"cets"`
		Mnesia struct {
			Info []struct {
				Key    string   `json:"key"`
				Result []string `json:"result"`
			} `json:"systemInfo"`
		} `json:"mnesia"`
	}
	why, err := a.query(ctx, query, &answer)
	if err != nil {
		return systemmetrics.Number{}, err
	}
	nodes := answer.CETS.Info.Joined
	for _, info := range answer.Mnesia.Info {
		if info.Key == "running_db_nodes" {
			nodes = info.Result
		}
	}
	if nodes == nil {
		return systemmetrics.Number{}, a.failed("the list of nodes", why[database])
	}
	return systemmetrics.Known(len(nodes)), nil
}

// modulesOf returns the modules of all host types with their options, each
// once, and how many of them MongooseIM does not bring.
func modulesOf(hostTypes []hostType) (all []systemmetrics.Module, custom systemmetrics.Number) {
	bundled := strings.Fields(bundledModules)
	seen := make(map[systemmetrics.Module]bool)
	customNames := make(map[string]bool)
	add := func(m systemmetrics.Module) {
		if !seen[m] {
			seen[m] = true
			all = append(all, m)
		}
	}
	for _, hostType := range hostTypes {
		for _, m := range hostType.Modules {
			if len(m.Options) == 0 {
				add(systemmetrics.Module{Name: m.Name})
			}
			for _, o := range m.Options {
				add(systemmetrics.Module{Name: m.Name, Option: o.Key, Value: o.Value})
			}
			if !slices.Contains(bundled, m.Name) {
				customNames[m.Name] = true
			}
		}
	}
	return all, systemmetrics.Known(len(customNames))
}

// bundledModules are those of MongooseIM itself, 6.6 to 6.8: those with the marker
// for system metrics, and those without, which its own count of custom modules
// includes.
const bundledModules = `
mod_adhoc mod_amp mod_auth_token mod_blocking mod_broadcast mod_carboncopy mod_csi mod_disco mod_event_pusher
mod_event_pusher_http mod_event_pusher_push mod_event_pusher_rabbit mod_global_distrib mod_global_distrib_bounce
mod_global_distrib_disco mod_global_distrib_hosts_refresher mod_global_distrib_mapping mod_global_distrib_receiver
mod_http_upload mod_inbox mod_keystore mod_last mod_mam mod_mam_cache_user mod_mam_cassandra_arch
mod_mam_elasticsearch_arch mod_mam_muc_rdbms_arch mod_mam_pm mod_mam_rdbms_arch mod_muc mod_muc_light mod_offline
mod_offline_chatmarkers mod_offline_stub mod_privacy mod_private mod_pubsub_old mod_push_service_mongoosepush
mod_register mod_roster mod_shared_roster_ldap mod_sic mod_stream_management mod_time mod_vcard mod_version

mod_bind2 mod_blocklist mod_cache_users mod_caps mod_domain_isolation mod_dynamic_domains_test mod_event_pusher_sns
mod_extdisco mod_external_filter mod_fast_auth_token mod_global_distrib_utils mod_mam_cassandra_prefs
mod_mam_mnesia_prefs mod_mam_muc mod_mam_muc_cassandra_arch mod_mam_muc_elasticsearch_arch mod_mam_muc_rdbms_arch_async
mod_mam_rdbms_arch_async mod_mam_rdbms_prefs mod_mam_rdbms_user mod_muc_light_cache mod_ping mod_presence mod_pubsub
mod_sasl2 mod_smart_markers mod_stanzaid
`
