package prosody_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/files"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/test/must"
)

func audited(t *testing.T, o prosody.Options) (logins []chatserver.Login) {
	t.Helper()
	must.Succeed(t, o.ArchivedLogins(t.Context(), func(l chatserver.Login) { logins = append(logins, l) }))
	return logins
}

// Items as mod_storage_internal writes an event of mod_audit: the stanza's
// table with the archive's fields.
func TestAuditOfInternalStorage(t *testing.T) {
	folder := t.TempDir()
	item := func(kind, fields string) string {
		return "item({\n\t{\n\t\t[\"attr\"] = {\n\t\t\t[\"type\"] = \"" + kind + "\";\n\t\t};\n\t\t[\"name\"] = \"audit-event\";\n\t};\n\t[\"key\"] = \"x)\";\n" + fields + "});\n"
	}
	write(t, filepath.Join(folder, "example%2eorg", "audit.list"),
		item("authentication-success", "\t[\"when\"] = 1740000000;\n\t[\"with\"] = \"anna\";\n")+
			item("authentication-failure", "\t[\"when\"] = 1740000001;\n\t[\"with\"] = \"bert\";\n")+
			item("authentication-success", "\t[\"when\"] = 1740000002;\n")+
			"item({ broken"+
			item("authentication-success", "\t[\"when\"] = 1740000003;\n\t[\"with\"] = \"carla\";\n"))
	write(t, filepath.Join(folder, "other%2eorg", "lastlog2", "x.dat"), "")
	want := []chatserver.Login{{Domain: "example.org", User: "anna", At: time.Unix(1740000000, 0)}, {Domain: "example.org", User: "carla", At: time.Unix(1740000003, 0)}}
	if diff := cmp.Diff(want, audited(t, prosody.Options{DataPath: folder})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := audited(t, prosody.Options{DataPath: folder, Hosts: []string{"other.org"}}); got != nil {
		t.Errorf("%v of a host that is not served", got)
	}
}

func TestAuditOfSQLStorage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prosody.sqlite")
	db, err := sqldb.CreateSQLite(path)
	must.Succeed(t, err)
	for _, statement := range []string{
		`CREATE TABLE prosodyarchive (sort_id INTEGER PRIMARY KEY, host TEXT, "user" TEXT, store TEXT, "key" TEXT, "when" INTEGER, "with" TEXT, type TEXT, value TEXT)`,
		`INSERT INTO prosodyarchive VALUES (1, 'example.org', '', 'audit', 'a', 1740000000, 'anna', 'xml', '<audit-event type=''authentication-success''/>')`,
		`INSERT INTO prosodyarchive VALUES (2, 'example.org', '', 'audit', 'b', 1740000001, 'bert', 'xml', '<audit-event type=''authentication-failure''/>')`,
		`INSERT INTO prosodyarchive VALUES (3, 'example.org', 'anna', 'archive', 'c', 1740000002, 'x', 'xml', '<message>authentication-success</message>')`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		must.Succeed(t, err)
	}
	must.Succeed(t, db.Close())
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	want := []chatserver.Login{{Domain: "example.org", User: "anna", At: time.Unix(1740000000, 0)}}
	if diff := cmp.Diff(want, audited(t, prosody.Options{Database: source})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A pipe in place of an archive is an error, and no reason to wait.
func TestAnArchiveThatIsAPipe(t *testing.T) {
	directory := t.TempDir()
	must.Succeed(t, os.MkdirAll(filepath.Join(directory, "example%2eorg"), 0o755))
	must.Succeed(t, syscall.Mkfifo(filepath.Join(directory, "example%2eorg/audit.list"), 0o600))
	err := prosody.Options{DataPath: directory}.ArchivedLogins(t.Context(), func(chatserver.Login) { t.Error("a login out of nowhere") })
	if !errors.Is(err, files.ErrNotRegular) {
		t.Errorf("error %v", err)
	}
}
