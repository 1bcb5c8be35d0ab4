package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/reports"
	"active_users_exporter/config"
)

func TestReports(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("token", "of a file\n")
	file := write("active_users.yml", `
storage: {path: data}
reports:
  listen_address: 127.0.0.1:10053
  tokens:
    - {token_file: token, homeservers: ["*.example.org"]}
    - {token: plain}
  allowed_homeservers: [example.net]
  max_homeservers: 7
  expire_after: 1d
  trusted_proxies: [10.0.0.0/8, "::1"]
  forward_to: https://matrix.org/report-usage-stats/push
`)
	got, err := config.Source{File: file, LookupEnv: environment}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := config.Reports{
		ListenAddress: "127.0.0.1:10053",
		Settings: reports.Settings{
			Tokens:  []reports.Token{{Secret: "of a file", Homeservers: []string{"*.example.org"}}, {Secret: "plain"}},
			Allowed: []string{"example.net"}, MaxHomeservers: 7, ExpireAfter: 24 * time.Hour,
			TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
			MaxStore:       4 << 30, // if it is not set
			ForwardTo:      "https://matrix.org/report-usage-stats/push",
		},
	}
	if diff := cmp.Diff(want, got.Reports, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// The flag overrides the file; reports must be kept somewhere.
	got, err = config.Source{File: file, ReportsAddress: ":1", LookupEnv: environment}.Load()
	if err != nil || got.Reports.ListenAddress != ":1" {
		t.Errorf("%v, error %v", got, err)
	}
	if _, err := (config.Source{ReportsAddress: ":1"}).Load(); err == nil || !strings.Contains(err.Error(), "must be kept somewhere") {
		t.Errorf("error %v", err)
	}
	const database = "postgres://exporter@127.0.0.1/reports"
	if c, err := (config.Source{ReportsAddress: ":1", StoragePath: database}).Load(); err != nil || !c.Storage.Location.Shared() {
		t.Errorf("error %v, a receiver with a database", err)
	}
	if _, err := (config.Source{Servers: []string{"synapse=sqlite:x.db"}, StoragePath: database}).Load(); err == nil || !strings.Contains(err.Error(), "needs a key") {
		t.Errorf("error %v, a history in a database without a key", err)
	}
}
