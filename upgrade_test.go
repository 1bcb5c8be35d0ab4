package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/test/must"
	"active_users_exporter/test/samples"
	"active_users_exporter/test/series"
)

// An earlier exporter, whose store of reports had no version yet, has written
// testdata/earlier: it was started on days 0, 20, 40 and 60, read a Prosody and
// received a report of each of three homeservers; then it read the sample of a
// Synapse. The .txt and .jsonl files are what it printed an hour after the last
// start.

// earlierStore returns a folder with these files, which may be written to.
func earlierStore(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"history.db", "reports.db", "key"} {
		must.WriteFile(t, filepath.Join(folder, name), must.ReadFile(t, filepath.Join("testdata", "earlier", name)))
	}
	return folder
}

func TestAnEarlierHistoryHasTheSameFigures(t *testing.T) {
	records := t.TempDir()
	must.Succeed(t, samples.Unpack(".", records))
	must.Succeed(t, samples.Untar("testdata/earlier/prosody.tar.gz", records, map[string]string{"example%2eorg": "earlier/example%2eorg"}))
	for _, c := range []struct{ name, server, now string }{
		{"prosody", "prosody=" + filepath.Join(records, "earlier"), "1795179600"},
		{"synapse", "synapse=sqlite:" + filepath.Join(records, "homeserver.db"), "1794240347"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("ACTIVE_USERS_NOW", c.now)
			// synapse_usage_info has two more labels since.
			earlier := strings.ReplaceAll(must.ReadFile(t, filepath.Join("testdata", "earlier", c.name+".txt")), `python_version="",server_context=""}`, `python_version="",server_context="",software="synapse",version=""}`)
			want := series.Parse(earlier)
			if len(want) < 30 {
				t.Fatalf("only %d series are known", len(want))
			}
			var out, log bytes.Buffer
			if code := run([]string{"report", "--server=" + c.server, "--storage.path=" + earlierStore(t), "--output=openmetrics"}, &out, &log); code != exitOK {
				t.Fatalf("exit code %d: %s", code, log.String())
			}
			got := series.Parse(out.String())
			maps.DeleteFunc(got, func(name, _ string) bool { _, known := want[name]; return !known })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-earlier +now:\n%s", diff)
			}
		})
	}
}

func TestEarlierReportsAreExported(t *testing.T) {
	t.Setenv("ACTIVE_USERS_NOW", "1795179600")
	var out, log bytes.Buffer
	if code := run([]string{"reports", "export", "--storage.path=" + earlierStore(t)}, &out, &log); code != exitOK {
		t.Fatalf("exit code %d: %s", code, log.String())
	}
	if diff := cmp.Diff(must.ReadFile(t, "testdata/earlier/reports.jsonl"), out.String()); diff != "" {
		t.Errorf("-earlier +now:\n%s", diff)
	}
}
