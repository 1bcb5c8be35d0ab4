package grafana_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// accepts returns what Grafana's own types have against a dashboard: keys that
// are unknown, missing or of the wrong type, in the dashboard, in the options of
// each kind of panel and in the queries for Prometheus.
func accepts(content []byte) error {
	plugins.RegisterDefaultPlugins()
	var d dashboard.Dashboard
	var problems cog.BuildErrors
	// An empty list of problems arrives as an error that is not nil.
	if err := d.UnmarshalJSONStrict(content); err != nil && (!errors.As(err, &problems) || len(problems) > 0) {
		return err
	}
	if len(d.Panels) == 0 {
		return errors.New("the dashboard has no panels")
	}
	return d.Validate()
}

func read(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../../dashboards/*.json")
	if err != nil || len(paths) < 4 {
		t.Fatalf("found the dashboards %v, %v; want at least 4", paths, err)
	}
	all := make(map[string][]byte)
	for _, path := range paths {
		if all[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestGrafanaAcceptsTheDashboards(t *testing.T) {
	for name, content := range read(t) {
		t.Run(name, func(t *testing.T) {
			if err := accepts(content); err != nil {
				t.Error(err)
			}
		})
	}
}

// The types find mistakes at every depth, or the test above would prove nothing.
func TestGrafanaRefusesMistakes(t *testing.T) {
	good := string(read(t)["sources.json"])
	for name, change := range map[string][2]string{
		"a key of the dashboard that does not exist": {`"schemaVersion"`, `"schemeVersion"`},
		"an option of a panel that does not exist":   {`"mergeValues"`, `"mergedValues"`},
		"an option of a panel of the wrong type":     {`"showUnfilled": true`, `"showUnfilled": "yes"`},
		"a colour mode of the wrong type":            {`"mode": "fixed"`, `"mode": 7`},
		"a key of a query that does not exist":       {`"legendFormat"`, `"legend"`},
		"a key of an annotation that does not exist": {`"titleFormat"`, `"title_format"`},
	} {
		t.Run(name, func(t *testing.T) {
			content := good
			if !strings.Contains(content, change[0]) {
				content = string(read(t)["retention.json"])
			}
			bad := strings.ReplaceAll(content, change[0], change[1])
			if bytes.Equal([]byte(bad), []byte(content)) {
				t.Fatalf("no dashboard contains %s", change[0])
			}
			if err := accepts([]byte(bad)); err == nil {
				t.Errorf("%s in place of %s is accepted", change[1], change[0])
			}
		})
	}
}
