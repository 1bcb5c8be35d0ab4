package mongooseim_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/test/must"
)

func body(t *testing.T, name string) string {
	t.Helper()
	_, body, _ := strings.Cut(captured(t)[name].answer, "\n\n")
	return body
}

// instead returns replies with another one for the queries of the first that
// holds a text.
func instead(replies []reply, has, answer string) []reply {
	return append([]reply{{has: has, answer: answer, status: 200}}, replies...)
}

// clusterOf returns what the facts say of the cluster, nil if that is nothing.
func clusterOf(facts collector.Facts) *systemmetrics.Cluster {
	if facts.Special == nil {
		return nil
	}
	c := facts.Special(nil)[0].(systemmetrics.Cluster)
	return &c
}

// Without a report, GraphQL tells some of its items.
func TestClusterWithoutReport(t *testing.T) {
	const failed = `{"data":{"%s":{"%s":null}},"errors":[{"path":["%[1]s","%[2]s"],"extensions":{"code":"resolver_crash"}}]}`
	known := systemmetrics.Cluster{Report: systemmetrics.Report{
		Version: "6.8.0-38-g475087c6e", Uptime: systemmetrics.Known(488), Nodes: systemmetrics.Known(1),
		Hosts: systemmetrics.Known(2), Domains: systemmetrics.Known(2), CustomModules: systemmetrics.Known(0),
	}}
	custom := strings.ReplaceAll(body(t, "server-all"), `{"options":[],"name":"mod_adhoc"}`, `{"options":[],"name":"mod_adhoc"},{"options":[],"name":"mod_ours"}`)
	cets := strings.Replace(body(t, "cets"), `"joinedNodes":["mongooseim@localhost"]`, `"joinedNodes":["mongooseim@localhost","mongooseim@two"]`, 1)
	for name, c := range map[string]struct {
		replies []reply
		change  func(*systemmetrics.Cluster)
		warning string
	}{
		"6.8": {replies: newest(t)},
		"6.0": {replies: oldest(t), change: func(c *systemmetrics.Cluster) {
			c.Report = systemmetrics.Report{Version: "6.0.0", Uptime: systemmetrics.Known(87)}
		}},
		"a custom module, on both host types": {replies: instead(newest(t), "hostTypes", custom), change: func(c *systemmetrics.Cluster) { c.CustomModules = systemmetrics.Known(1) }},
		"two nodes":                           {replies: instead(newest(t), "joinedNodes", cets), change: func(c *systemmetrics.Cluster) { c.Nodes = systemmetrics.Known(2) }},
		"static domains alone": {
			replies: instead(newest(t), "allDomains", `{"data":{"domain":{"allDomains":null}},"errors":[{"path":["domain","allDomains"],"extensions":{"code":"deps_not_loaded"}}]}`),
			change:  func(c *systemmetrics.Cluster) { c.Domains = systemmetrics.Number{} },
		},
		"no uptime": {
			replies: instead(newest(t), "globalStats", fmt.Sprintf(failed, "stat", "globalStats")),
			change:  func(c *systemmetrics.Cluster) { c.Uptime = systemmetrics.Number{} },
			warning: "the uptime is not known: ask http://HOST/api/graphql: the uptime was answered with resolver_crash",
		},
		"no Mnesia": {
			replies: instead(newest(t), "running_db_nodes", fmt.Sprintf(failed, "mnesia", "systemInfo")),
			warning: "the nodes in mnesia are not known: ask http://HOST/api/graphql: the list of nodes was answered with resolver_crash",
		},
	} {
		graphql := replay(t, c.replies)
		_, facts, err := read(t, mongooseim.Options{GraphQL: graphql}, time.Unix(1795226400, 0))
		must.Succeed(t, err)
		want, got := known, *clusterOf(facts)
		if c.change != nil {
			c.change(&want)
		}
		modules := got.Modules
		got.Modules = nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, m := range []systemmetrics.Module{{Name: "mod_muc", Option: "online_backend", Value: "mnesia"}, {Name: "mod_adhoc"}} {
			if slices.Contains(modules, m) != want.Hosts.Known {
				t.Errorf("%s: modules %+v", name, modules)
			}
		}
		host, _, _ := strings.Cut(strings.TrimPrefix(graphql.String(), "http://"), "/")
		if warnings := strings.ReplaceAll(strings.Join(facts.Warnings, "\n"), host, "HOST"); warnings != c.warning {
			t.Errorf("%s: warnings %s", name, warnings)
		}
	}
}

// The cluster's id in the database is its name; a report that is configured is
// not replaced by half of one; and one domain's administrator gets nothing.
func TestClusterOfWhichName(t *testing.T) {
	now := time.Unix(1795226400, 0)
	database := dump(t, "mim-pg-last.sql.gz")
	_, facts, err := read(t, mongooseim.Options{Database: database, GraphQL: replay(t, newest(t))}, now)
	must.Succeed(t, err)
	if c := clusterOf(facts); c == nil || c.ClientID != "0191bffa-af31-4563-b3f7-e9461358b133" || !c.Reported.IsZero() {
		t.Errorf("%+v", c)
	}
	for name, o := range map[string]mongooseim.Options{
		"a report":               {GraphQL: replay(t, newest(t)), ReportFile: filepath.Join(t.TempDir(), "not_yet.json")},
		"an admin of one domain": {GraphQL: replay(t, oneDomain(t))},
		"no GraphQL":             {Database: database},
	} {
		_, facts, err := read(t, o, now)
		must.Succeed(t, err)
		if c := clusterOf(facts); c != nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
