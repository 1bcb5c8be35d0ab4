package mongooseim_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/test/must"
)

// A report is read from the file, named after the cluster's id in the database,
// kept while the file is damaged, and dropped with a reason once it is old.
func TestReportFile(t *testing.T) {
	archive, err := txtar.ParseFile("../systemmetrics/testdata/files.txtar")
	must.Succeed(t, err)
	path := filepath.Join(t.TempDir(), "system_metrics_report.json")
	now := time.Unix(1795226400, 0)
	write := func(content []byte, at time.Time) {
		must.Succeed(t, os.WriteFile(path, content, 0o600))
		must.Succeed(t, os.Chtimes(path, at, at))
	}
	reader := mongooseim.New(mongooseim.Options{Database: dump(t, "mim-pg-last.sql.gz"), ReportFile: path})
	read := func(now time.Time) collector.Facts {
		t.Helper()
		facts, err := reader.Read(t.Context(), time.Time{}, now, activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
		must.Succeed(t, err)
		if len(facts.Domains) != 2 {
			t.Errorf("activity depends on the report: %+v", facts.Domains)
		}
		return facts
	}
	checkWarning := func(facts collector.Facts, there bool, says string) {
		t.Helper()
		if (clusterOf(facts) != nil) != there || len(facts.Warnings) != 1 || !strings.Contains(facts.Warnings[0], says) {
			t.Errorf("cluster %v, warnings %q, want one that says %q", clusterOf(facts), facts.Warnings, says)
		}
	}
	checkWarning(read(now), false, "does not exist")

	write([]byte(`[{"name":`), now)
	checkWarning(read(now), false, "not a report of MongooseIM")

	for _, file := range archive.Files {
		if file.Name == "default-modules" {
			write(file.Data, now.Add(-time.Hour))
		}
	}
	facts := read(now)
	got := clusterOf(facts)
	if got == nil || len(got.Modules) != 13 || len(got.Stanzas) != 6 || len(facts.Warnings) > 0 {
		t.Fatalf("%+v, warnings %q", got, facts.Warnings)
	}
	got.Modules, got.Stanzas = nil, nil
	want := &systemmetrics.Cluster{Reported: now.Add(-time.Hour), Report: systemmetrics.Report{
		ClientID: "0191bffa-af31-4563-b3f7-e9461358b133",
		Uptime:   systemmetrics.Known(6), Nodes: systemmetrics.Known(1), Hosts: systemmetrics.Known(1), Domains: systemmetrics.Known(1),
		CustomModules: systemmetrics.Known(2), ExternalComponents: systemmetrics.Known(0), Version: "6.8.0-38-g475087c6e", ConfigType: "toml",
		HTTPHandlers: []string{"mongoose_bosh_handler", "mongoose_graphql_handler", "mongoose_websocket_handler"},
		Transports:   []string{"mongoose_bosh_handler", "mongoose_websocket_handler", "tcp"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	checkWarning(read(now.Add(7*time.Hour)), false, "does the node run?")
	write([]byte(`[{"name":"host_count"`), now)
	checkWarning(read(now), true, "the last ones stay")
	must.Succeed(t, os.Remove(path))
	checkWarning(read(now), false, "does not exist")
	must.Succeed(t, syscall.Mkfifo(path, 0o600)) // which nobody writes to
	checkWarning(read(now), true, "not a regular file")
	must.Succeed(t, reader.Close())
}
