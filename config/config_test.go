package config_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/storage"
	"active_users_exporter/collector/synapse"
	"active_users_exporter/collector/webapi"
	"active_users_exporter/config"
	"active_users_exporter/config/configtest"
	"active_users_exporter/test/must"
)

var update = flag.Bool("update", false, "write the expected errors again")

func environment(name string) (string, bool) {
	value, set := map[string]string{"SYNAPSE_PASSWORD": "hunter2"}[name]
	return value, set
}

func window(t *testing.T, text string) activity.Window {
	t.Helper()
	w, err := activity.ParseWindow(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

var unexported = cmp.AllowUnexported(sqldb.Source{}, storage.Location{}, webapi.Endpoint{}, activity.Window{}, activity.Classes{})

func classes(t *testing.T, rules ...activity.Rule) *activity.Classes {
	t.Helper()
	c, err := activity.NewClasses(rules)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestEverythingThatCanBeSaid(t *testing.T) {
	got, err := config.Source{File: "testdata/good.yml", LookupEnv: environment}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		RefreshInterval: 30 * time.Minute,
		StaleAfter:      24 * time.Hour,
		Windows:         []activity.Window{window(t, "1d"), window(t, "7d"), window(t, "30d"), window(t, "12h")},
		Storage:         config.Storage{Location: storage.Folder("testdata/history"), Retention: 90 * 24 * time.Hour},
		NodeInfo:        config.NodeInfo{Enabled: true, Minimum: 100, RoundTo: 50},
		Minimum:         5,
		Clients:         classes(t, activity.Rule{Name: "element_x", Any: []string{"element x", "ElementX"}}, activity.Rule{Name: "android", All: []string{"Dalvik", "${real}"}}),
		Servers: []config.Server{
			{Name: "matrix", Software: "synapse", Source: synapse.Options{
				Database:     configtest.Source(t, "postgres://exporter:hunter2@db.example.org/synapse?sslmode=disable"),
				PasswordFile: "testdata/secrets/synapse",
			}},
			{Name: "synapse", Software: "synapse", Source: synapse.Options{Database: configtest.Source(t, "sqlite:testdata/data/homeserver.db"), Bots: chatserver.Bots{"*-bot", "bot.*", "wetter_?"}}},
			{Name: "synapse-2", Software: "synapse", Source: synapse.Options{Database: configtest.Source(t, "sqlite:/var/lib/100% ${real}?.db")}},
			{Name: "xmpp – \"München\"", Software: "prosody", Source: prosody.Options{
				DataPath: "/var/lib/prosody", StatusURL: "http://127.0.0.1:5280/status", RequiredModules: []string{"mam", "example.org/smacks"},
			}},
			{Name: "ejabberd", Software: "ejabberd", Source: ejabberd.Options{
				Databases:    []ejabberd.Database{{Source: configtest.Source(t, "mysql://exporter@db.example.org/ejabberd"), Host: "example.org"}},
				PasswordFile: "testdata/secrets/ejabberd",
				API:          configtest.Endpoint(t, "http://exporter%40example.org@127.0.0.1:5280/api"), APIPasswordFile: "testdata/secrets/api",
			}},
			{Name: "ejabberd-2", Software: "ejabberd", Source: ejabberd.Options{API: configtest.Endpoint(t, "http://127.0.0.1:5280/api")}},
			{Name: "mongooseim", Software: "mongooseim", Source: mongooseim.Options{
				Database: configtest.Source(t, "postgres://exporter@127.0.0.1/mongooseim"), Host: "example.org", PasswordFile: "testdata/secrets/mim",
				GraphQL: configtest.Endpoint(t, "http://admin:hunter2@127.0.0.1:5551/api/graphql"), ReportFile: "/var/log/mongooseim/system_metrics_report.json",
				RequiredModules: []string{"mod_mam"},
			}},
			{Name: "mongooseim-2", Software: "mongooseim", Source: mongooseim.Options{
				GraphQL: configtest.Endpoint(t, "https://admin@im.example.org/api/graphql"), GraphQLPasswordFile: "testdata/secrets/graphql",
			}},
		},
	}
	if diff := cmp.Diff(want, got, unexported, cmpopts.IgnoreFields(config.Config{}, "Reports")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFlagsAlone(t *testing.T) {
	got, err := config.Source{Servers: []string{"synapse=sqlite:a=b.db", "prosody=data", "prosody=/var/lib/prosody"}}.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Config{
		RefreshInterval: time.Hour, StaleAfter: 3 * time.Hour, Windows: activity.DefaultWindows(), Clients: activity.SynapseClasses(),
		Storage: config.Storage{Retention: activity.MaxWindow, Cache: true}, NodeInfo: config.NodeInfo{Minimum: 50, RoundTo: 10},
		Servers: []config.Server{
			{Name: "synapse", Software: "synapse", Source: synapse.Options{Database: configtest.Source(t, "sqlite:a=b.db")}},
			{Name: "prosody", Software: "prosody", Source: prosody.Options{DataPath: "data"}},
			{Name: "prosody-2", Software: "prosody", Source: prosody.Options{DataPath: "/var/lib/prosody"}},
		},
	}
	if diff := cmp.Diff(want, got, unexported, cmpopts.IgnoreFields(config.Config{}, "Reports")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Figures stay for three hours, or for three intervals if that is longer.
func TestStaleAfterIsThreeHoursAtLeast(t *testing.T) {
	for interval, want := range map[time.Duration]time.Duration{time.Minute: 3 * time.Hour, time.Hour: 3 * time.Hour, 6 * time.Hour: 18 * time.Hour} {
		got := must.Get(config.Source{Servers: []string{"prosody=data"}, RefreshInterval: interval}.Load())(t)
		if got.StaleAfter != want {
			t.Errorf("with an interval of %s after %s, want %s", interval, got.StaleAfter, want)
		}
	}
}

func TestFlagsBesideAFile(t *testing.T) {
	got, err := config.Source{
		File: "testdata/good.yml", LookupEnv: environment, RefreshInterval: 2 * time.Hour, Servers: []string{"prosody=/data"},
	}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Servers); n != 9 || got.Servers[8].Name != "prosody" || got.RefreshInterval != 2*time.Hour || got.StaleAfter != 24*time.Hour {
		t.Errorf("%d servers, %+v", n, got)
	}
}

func TestBadFlags(t *testing.T) {
	for name, c := range map[string]struct {
		source config.Source
		says   string
	}{
		"nothing":         {config.Source{}, "--server=synapse=sqlite:/var/lib/matrix-synapse/homeserver.db"},
		"no location":     {config.Source{Servers: []string{"prosody"}}, "--server: want SOFTWARE=LOCATION"},
		"empty":           {config.Source{Servers: []string{"prosody="}}, "--server: want SOFTWARE=LOCATION"},
		"unknown":         {config.Source{Servers: []string{"irc=/a"}}, `--server: "irc" is no known chat server`},
		"not a database":  {config.Source{Servers: []string{"ejabberd=/a"}}, "--server: ejabberd=…: neither a configuration file nor a database location"},
		"a bad DSN":       {config.Source{Servers: []string{"synapse=postgres://u:hunter2@h:x/db"}}, "--server: synapse=…: not a valid URL"},
		"too often":       {config.Source{Servers: []string{"prosody=/a"}, RefreshInterval: time.Second}, "--refresh.interval=1s: the shortest is 1m0s"},
		"no such file":    {config.Source{File: "testdata/nowhere.yml"}, "testdata/nowhere.yml: no such file"},
		"a folder":        {config.Source{File: "testdata"}, "testdata: not a file"},
		"a device":        {config.Source{File: "/dev/zero"}, "/dev/zero: not a file"},
		"stale too soon?": {config.Source{File: "testdata/good.yml", LookupEnv: environment, RefreshInterval: 48 * time.Hour}, "stale_after is shorter than refresh_interval"},
	} {
		_, err := c.source.Load()
		if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// Each file in testdata/bad has mistakes; the .err beside it is what users see.
func TestMistakesInFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files and error %v", len(files), err)
	}
	for _, file := range files {
		_, err := config.Source{File: file, LookupEnv: environment}.Load()
		if err == nil {
			t.Errorf("%s: no error", file)
			continue
		}
		got := err.Error() + "\n"
		expected := strings.TrimSuffix(file, ".yml") + ".err"
		if *update {
			if err := os.WriteFile(expected, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(expected)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: the password is in %s", file, got)
		}
	}
}

func TestPasswordsAreNeverPrinted(t *testing.T) {
	directory := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.StringMatching(`[a-zA-Z0-9:/?#@%$ ]{8,20}`).Draw(t, "password")
		location := fmt.Sprintf(rapid.SampledFrom([]string{
			"postgres://u:%s@127.0.0.1:1/db", "postgres://u@h/db?password=%s", "postgres:%s", "mysql://u:%s@h/db", "http://u:%s@h/api",
		}).Draw(t, "location"), password)
		file := filepath.Join(directory, "c.yml")
		content := fmt.Sprintf("servers:\n  - software: %s\n    from: '%s'\n", rapid.SampledFrom([]string{"synapse", "prosody", "ejabberd", "mongooseim"}).Draw(t, "software"), location)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		fromFile, err1 := config.Source{File: file, LookupEnv: environment}.Load()
		fromFlag, err2 := config.Source{Servers: []string{"synapse=" + location}}.Load()
		if printed := fmt.Sprintf("%v %+v %v %+v %v %v", fromFile, fromFile, fromFlag, fromFlag, err1, err2); strings.Contains(printed, password) {
			t.Fatalf("%q is in %s", password, printed)
		}
	})
}

// Whatever the bytes, Load ends with a configuration or an error that names
// the file.
func FuzzLoad(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yml")
	for _, file := range append(files, "testdata/good.yml") {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte("a: &a [*a]\nservers: *a"))
	f.Add([]byte("servers: &s [{software: prosody, from: /a}, *s]"))
	file := filepath.Join(f.TempDir(), "c.yml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Source{File: file, LookupEnv: environment}.Load()
		switch {
		case err == nil && (len(c.Servers) == 0 || len(c.Windows) == 0 || c.RefreshInterval < time.Minute || c.StaleAfter < c.RefreshInterval):
			t.Errorf("an incomplete configuration: %+v", c)
		case err != nil && !strings.Contains(err.Error(), file) && !errors.Is(err, os.ErrNotExist) &&
			!strings.HasPrefix(err.Error(), "no chat servers") && !strings.HasPrefix(err.Error(), "two servers"):
			t.Errorf("the file is not named: %v", err)
		}
	})
}
