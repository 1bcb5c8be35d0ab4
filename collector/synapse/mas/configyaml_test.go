package mas_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/test/must"
)

// Each row is what stands in config.yaml, and which database is read.
func TestConfiguration(t *testing.T) {
	for name, c := range map[string]struct{ file, database, passwordFile, homeserver, mistake string }{
		"a uri": {
			file:     "database: {uri: 'postgresql://mas:s3cret@db.example/mas?application_name=mas'}\nmatrix: {homeserver: example.org}",
			database: "postgresql://mas@db.example/mas", homeserver: "example.org",
		},
		"parts, as the playbook writes them": {
			file:     "database: {host: db.example, port: 5433, username: mas, password: 's@/cret', database: auth, ssl_mode: disable, max_connections: 10}",
			database: "postgres://mas@/auth",
		},
		"a password file": {
			file:     "database: {host: db.example, username: mas, password_file: /run/secrets/mas, database: auth}",
			database: "postgres://mas@/auth", passwordFile: "/run/secrets/mas",
		},
		"a socket":               {file: "database: {socket: /run/postgresql, username: mas}", database: "postgres://mas@/mas"},
		"nothing":                {file: "http: {}", mistake: "names no database"},
		"uri and parts":          {file: "database: {uri: 'postgresql:///mas', host: x}", mistake: "MAS refuses that as well"},
		"a certificate in place": {file: "database: {host: x, ssl_ca: '-----BEGIN'}", mistake: "ssl_ca_file"},
		"no URL":                 {file: "database: {uri: 'mysql://s3cret@x/y'}", mistake: "no valid postgresql:// URL"},
		"no YAML":                {file: "database: [", mistake: ":1: no valid YAML: did not find expected node content"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			must.WriteFile(t, filepath.Join(folder, "config.yaml"), c.file)
			o, err := mas.Locate("config.yaml", folder)
			if c.mistake != "" {
				if err == nil || !strings.Contains(err.Error(), c.mistake) || strings.Contains(err.Error(), "cret") {
					t.Errorf("error %v, want one that says %q and no password", err, c.mistake)
				}
				return
			}
			must.Succeed(t, err)
			if o.Database.String() != c.database || o.PasswordFile != c.passwordFile || o.Homeserver != c.homeserver {
				t.Errorf("%s, password file %q, homeserver %q", o.Database, o.PasswordFile, o.Homeserver)
			}
		})
	}
	if _, err := mas.Locate("sqlite:x.db", "."); err == nil || !strings.Contains(err.Error(), "PostgreSQL alone") {
		t.Errorf("error %v", err)
	}
	if _, err := mas.Locate("config.yaml", filepath.Join(t.TempDir(), "nowhere")); !os.IsNotExist(err) && (err == nil || !strings.Contains(err.Error(), "no such file")) {
		t.Errorf("error %v", err)
	}
}
