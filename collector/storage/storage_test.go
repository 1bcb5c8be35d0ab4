package storage_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"active_users_exporter/collector/storage"
	"active_users_exporter/test/must"
)

// No verb prints a password.
func TestALocationShowsNoPassword(t *testing.T) {
	location := must.Get(storage.Parse("postgres://exporter:w0rd@db.example/aue?password=w0rd"))(t)
	if !location.Shared() || location.IsZero() || location.Path("x") != "" || location.Has("x") {
		t.Errorf("%v is no database", location)
	}
	for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, location); strings.Contains(got, "w0rd") || !strings.Contains(got, "exporter@db.example/aue") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestFoldersAreTakenAsTheyAre(t *testing.T) {
	for text, want := range map[string]string{
		"data/": "below/data", "/var/lib/aue": "/var/lib/aue", "./a:b": "below/a:b", "postgres": "below/postgres", "": "",
	} {
		location := must.Get(storage.Parse(text))(t)
		if got := location.Below("below").String(); got != want || location.Shared() || location.IsZero() != (text == "") {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// What is made is for its owner alone, whatever the umask.
func TestOpenMakesPrivateFiles(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "deep", "down")
	db := must.Get(storage.Folder(folder).Open("a.db"))(t)
	must.Succeed(t, db.PingContext(t.Context()))
	_ = must.Get(db.ExecContext(t.Context(), `CREATE TABLE a (b)`))(t)
	for path, mode := range map[string]os.FileMode{"": 0o700, "a.db": 0o600, "a.db-wal": 0o600} {
		if got := must.Get(os.Stat(filepath.Join(folder, path)))(t).Mode().Perm(); got != mode {
			t.Errorf("%q has mode %v, want %v", path, got, mode)
		}
	}
	must.Succeed(t, db.Close())
}

// Tables are brought to the newest version, in steps and once.
func TestMigrate(t *testing.T) {
	schema := storage.Schema{Store: "the store", Table: "store_schema", Steps: []string{`CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)`}}
	db := must.Get(storage.Folder(t.TempDir()).Open("a.db"))(t)
	t.Cleanup(func() { must.Succeed(t, db.Close()) })
	sum := func() (sum int) {
		must.Succeed(t, db.GetContext(t.Context(), &sum, `SELECT SUM(x) FROM a`))
		return sum
	}
	for range 2 {
		must.Succeed(t, schema.Migrate(t.Context(), db))
		if sum() != 1 {
			t.Fatalf("the first step was taken %d times", sum())
		}
	}
	newer := schema
	newer.Steps = append(newer.Steps[:1:1], `INSERT INTO a VALUES (10)`, `INSERT INTO a VALUES (100); INSERT INTO missing VALUES (1)`)
	if err := newer.Migrate(t.Context(), db); err == nil || !strings.Contains(err.Error(), "bring the store to version 3") {
		t.Errorf("error %v", err)
	}
	if sum() != 1 {
		t.Errorf("a migration that failed has left %d", sum())
	}
	newer.Steps = newer.Steps[:2]
	must.Succeed(t, newer.Migrate(t.Context(), db))
	if sum() != 11 {
		t.Errorf("after the second step: %d, want 11", sum())
	}
	if err := schema.Migrate(t.Context(), db); err == nil || !strings.Contains(err.Error(), "the store is of version 2, written by a newer exporter; this one knows versions up to 1") {
		t.Errorf("error %v", err)
	}
}

func TestClaim(t *testing.T) {
	location := storage.Folder(filepath.Join(t.TempDir(), "new"))
	claim := must.Get(location.Claim("serve"))(t)
	_, err := location.Claim("history purge")
	if inUse := (*storage.InUseError)(nil); !errors.As(err, &inUse) || !strings.Contains(err.Error(), fmt.Sprintf("%s is used by process %d (serve) on host", location, os.Getpid())) {
		t.Errorf("error %v, want one that names the owner", err)
	}
	must.Succeed(t, claim.Release())
	again := must.Get(location.Claim("history purge"))(t)
	must.Succeed(t, again.Release())
	must.Succeed(t, must.Get(must.Get(storage.Parse("postgres://exporter@db/aue"))(t).Claim("serve"))(t).Release())
}
