package reports_test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"active_users_exporter/collector/reports"
	"active_users_exporter/collector/systemmetrics"
	"active_users_exporter/test/must"
)

// countries makes a database of two countries.
func countries(t *testing.T) (path string) {
	t.Helper()
	tree := must.Get(mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", RecordSize: 24, IncludeReservedNetworks: true}))(t)
	for network, codes := range map[string][2]string{
		"203.0.113.0/24": {"EU", "DE"}, "2001:db8:1::/48": {"AS", "JP"}, "198.51.100.0/24": {"\xff\a", `D"E`}, // the last is damaged
	} {
		_, prefix, err := net.ParseCIDR(network)
		must.Succeed(t, err)
		must.Succeed(t, tree.Insert(prefix, mmdbtype.Map{
			"continent": mmdbtype.Map{"code": mmdbtype.String(codes[0])},
			"country":   mmdbtype.Map{"iso_code": mmdbtype.String(codes[1])},
		}))
	}
	path = filepath.Join(t.TempDir(), "countries.mmdb")
	file := must.Get(os.Create(path))(t)
	_, err := tree.WriteTo(file)
	must.Succeed(t, err)
	must.Succeed(t, file.Close())
	return path
}

// The country that a report was sent from is kept with it, and the address is not. A
// sender cannot choose it, and codes that are none are not known.
func TestCountriesOfSenders(t *testing.T) {
	folder, database := t.TempDir(), countries(t)
	withCountries := func(o *reports.Options) { o.GeoIPDatabase = database }
	r := start(t, folder, withCountries)
	for homeserver, remote := range map[string]string{"a.example": "203.0.113.9:1", "b.example": "[2001:db8:1::5]:1", "c.example": "203.0.113.10:1", "d.example": "192.0.2.1:1", "e.example": "198.51.100.1:1"} {
		body := report(homeserver, `"sent_from_country":"XX"`, `"total_users":1`)
		if answer := r.put(http.MethodPut, path, body, http.Header{"Remote": {remote}}); answer.Code != http.StatusOK {
			t.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
	parts := mongooseRequests(t)["default-modules"]
	if answer := r.put(http.MethodPost, parts[0], parts[1], http.Header{"Remote": {"203.0.113.77:1"}}); answer.Code != http.StatusNoContent {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	must.Succeed(t, r.Close())
	for _, name := range []string{"reports.db", "reports.db-wal"} {
		content, err := os.ReadFile(filepath.Join(folder, name))
		if err == nil && (strings.Contains(string(content), "203.0.113") || strings.Contains(string(content), "2001:db8:1")) {
			t.Errorf("%s holds an address", name)
		}
	}
	r = start(t, folder, withCountries)
	defer func() { must.Succeed(t, r.Close()) }()
	const want = `
# HELP active_users_exporter_reports_country_homeservers Homeservers that reported within expire_after, by the code of the country they report from, empty if it is not known; with geoip_database.
# TYPE active_users_exporter_reports_country_homeservers gauge
active_users_exporter_reports_country_homeservers{country=""} 2
active_users_exporter_reports_country_homeservers{country="DE"} 2
active_users_exporter_reports_country_homeservers{country="JP"} 1
`
	collector := reports.NewCollector(func() *reports.Receiver { return r.Receiver })
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want), "active_users_exporter_reports_country_homeservers"); err != nil {
		t.Error(err)
	}
	clusters := systemmetrics.NewCollector(func() []systemmetrics.Cluster { return nil }, r.Clusters)
	eventually(t, "the cluster's country", func() bool {
		text, err := testutil.CollectAndFormat(clusters, expfmt.TypeTextPlain, "mongooseim_cluster_location_info")
		return err == nil && strings.Contains(string(text), `continent="EU",country="DE"`)
	})
}

// Without a database nobody is asked, and nothing is shown.
func TestCountriesAreOffByDefault(t *testing.T) {
	r := started(t, nil)
	r.put(http.MethodPut, path, report("a.example", `"sent_from_country":"DE"`), http.Header{"Remote": {"203.0.113.9:1"}})
	collector := reports.NewCollector(func() *reports.Receiver { return r.Receiver })
	if n := testutil.CollectAndCount(collector, "active_users_exporter_reports_country_homeservers"); n != 0 {
		t.Errorf("%d series", n)
	}
	if err := reports.CheckLocations(filepath.Join(t.TempDir(), "none.mmdb")); err == nil {
		t.Error("a database that is not there is no mistake")
	}
}
