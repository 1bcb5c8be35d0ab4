package prosody_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// figures are the daily, weekly and monthly active users of each host.
type figures map[string][3]int

// What real servers stored while people were online, and what their own
// mod_measure_active_users logged at that moment.
func TestFiguresEqualProsodysOwn(t *testing.T) {
	for name, c := range map[string]struct {
		run     string // the folder in testdata
		options func(t *testing.T) prosody.Options
		// fromStorage are the figures without the people who are connected
		// and whose login lies before the window.
		fromStorage figures
		// unstored are the hosts that Prosody knows and stores nothing for.
		unstored []string
	}{
		"Prosody 0.12, files": {
			run: "12-int",
			options: func(t *testing.T) prosody.Options {
				return prosody.Options{DataPath: filepath.Join(unpack(t, "testdata/12-int/data_online.tar.gz"), "data")}
			},
			fromStorage: figures{
				"example.com": {5, 9, 11}, "chat.example.org": {1, 4, 5}, "bücher.example": {1, 2, 3}, "late.example.net": {0, 0, 0},
			},
			unstored: []string{"guest.example.net"},
		},
		"Prosody 13, SQLite": {
			run:     "13",
			options: func(t *testing.T) prosody.Options { return prosody.Options{Database: sampleSQLite(t)} },
			fromStorage: figures{
				"example.com": {6, 10, 12}, "chat.example.org": {0, 3, 4}, "bücher.example": {1, 2, 3}, "late.example.net": {0, 0, 0}, "guest.example.net": {0, 1, 1},
			},
		},
		"Prosody 0.12, PostgreSQL": {
			run:     "12-pg",
			options: func(t *testing.T) prosody.Options { return prosody.Options{Database: samplePostgreSQL(t)} },
			fromStorage: figures{
				"example.com": {5, 9, 11}, "chat.example.org": {1, 4, 5}, "bücher.example": {1, 2, 3}, "late.example.net": {0, 0, 0}, "guest.example.net": {0, 1, 1},
			},
		},
		"Prosody 13, MariaDB": {
			run:     "13-mysql",
			options: func(t *testing.T) prosody.Options { return prosody.Options{Database: sampleMariaDB(t)} },
			fromStorage: figures{
				"example.com": {6, 10, 12}, "chat.example.org": {0, 3, 4}, "bücher.example": {1, 2, 3}, "late.example.net": {0, 0, 0}, "guest.example.net": {0, 1, 1},
			},
		},
		"Prosody 13, files": {
			run:     "13",
			options: func(t *testing.T) prosody.Options { return prosody.Options{DataPath: writeRecords(t)} },
			fromStorage: figures{
				"example.com": {6, 10, 12}, "chat.example.org": {0, 3, 4}, "bücher.example": {1, 2, 3}, "late.example.net": {0, 0, 0}, "guest.example.net": {0, 1, 1},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			now, logged := loggedFigures(t, c.run)
			for _, host := range c.unstored {
				delete(logged, host)
			}
			cal := activity.NewCalendar(activity.Key{}, activity.SynapseClasses())
			facts, err := prosody.New(c.options(t), activity.SynapseClasses()).Read(t.Context(), time.Time{}, now, cal)
			must.Succeed(t, err)
			if len(facts.Warnings) != 0 {
				t.Errorf("warnings: %v", facts.Warnings)
			}
			if diff := cmp.Diff(c.fromStorage, count(cal, facts, now)); diff != "" {
				t.Errorf("from storage alone (-want +got):\n%s", diff)
			}
			for host, users := range connected(t, c.run) {
				for _, user := range users {
					cal.Seen([]byte(host), []byte(user), activity.Unknown, now)
				}
			}
			if diff := cmp.Diff(logged, count(cal, facts, now)); diff != "" {
				t.Errorf("with the people connected (-Prosody +ours):\n%s", diff)
			}
		})
	}
}

func TestRegisteredUsers(t *testing.T) {
	facts, err := prosody.New(prosody.Options{DataPath: filepath.Join(unpack(t, "testdata/12-int/data_online.tar.gz"), "data")}, activity.SynapseClasses()).
		Read(t.Context(), time.Time{}, time.Now(), activity.NewCalendar(activity.Key{}, activity.SynapseClasses()))
	must.Succeed(t, err)
	got := make(map[string]int)
	for _, d := range facts.Domains {
		got[d.Name] = d.Registered[collector.Native]
	}
	if diff := cmp.Diff(map[string]int{"example.com": 19, "chat.example.org": 5, "bücher.example": 3, "late.example.net": 1}, got); diff != "" {
		t.Error(diff)
	}
}

func count(cal *activity.Calendar, facts collector.Facts, now time.Time) figures {
	f := make(figures)
	for _, d := range facts.Domains {
		var users [3]int
		for i, w := range activity.DefaultWindows() {
			users[i] = cal.ActiveAfter(d.Name, w.Since(now), time.Time{}).Users
		}
		f[d.Name] = users
	}
	return f
}

// loggedFigures returns what Prosody logged, and the moment of the last line.
func loggedFigures(t *testing.T, version string) (time.Time, figures) {
	t.Helper()
	var lines []struct {
		Time, Host, Module string
		D1, D7, D30        int
	}
	readJSON(t, "testdata/"+version+"/active_users_log.json", &lines)
	logged, now := make(figures), time.Time{}
	for _, l := range lines {
		if l.Module != "measure_active_users" {
			continue // a second copy, for comparison
		}
		at, err := time.Parse("2006 Jan 2 15:04:05", "2025 "+l.Time)
		must.Succeed(t, err)
		if at.After(now) {
			now = at
		}
		logged[l.Host] = [3]int{l.D1, l.D7, l.D30}
	}
	return now, logged
}

func connected(t *testing.T, version string) (users map[string][]string) {
	t.Helper()
	readJSON(t, "testdata/"+version+"/connected.json", &users)
	return users
}

// writeRecords writes the records that a real Prosody 13 had in SQL as it
// writes them to files.
func writeRecords(t *testing.T) string {
	t.Helper()
	var rows [][5]any
	readJSON(t, "testdata/13/records.json", &rows)
	records := make(map[string]string)
	for _, r := range rows {
		value := fmt.Sprint(r[4])
		switch v := r[4].(type) {
		case float64:
			value = fmt.Sprintf("%.0f", v)
		case map[string]any:
			value = fmt.Sprintf("{\n\t\t[\"timestamp\"] = %.0f;\n\t}", v["timestamp"])
		}
		file := filepath.Join(encode(r[0].(string)), r[2].(string), encode(r[1].(string))+".dat")
		records[file] += fmt.Sprintf("\t[%q] = %s;\n", r[3], value)
	}
	directory := t.TempDir()
	for file, fields := range records {
		if len(filepath.Base(file)) > 255 {
			continue // Prosody could not store this account in files either
		}
		write(t, filepath.Join(directory, file), "return {\n"+fields+"};\n")
	}
	return directory
}

func sampleSQLite(t *testing.T) sqldb.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prosody.sqlite")
	write(t, path, string(must.Gunzip(t, "testdata/13/prosody_online.sqlite.gz")))
	source, err := sqldb.ParseSource("sqlite:" + path)
	must.Succeed(t, err)
	return source
}

func samplePostgreSQL(t *testing.T) sqldb.Source {
	t.Helper()
	location := dbtest.PostgreSQL(t)
	dbtest.LoadDump(t, location, "testdata/12-pg/pg_dump_online.sql.gz")
	source, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	return source
}

func sampleMariaDB(t *testing.T) sqldb.Source {
	t.Helper()
	location := dbtest.MariaDB(t)
	dbtest.LoadMySQLDump(t, location, "testdata/13-mysql/mysqldump_online.sql.gz")
	source, err := sqldb.ParseSource(location)
	must.Succeed(t, err)
	return source
}

// encode is how Prosody names the file of a user or the folder of a host.
func encode(name string) string {
	var file strings.Builder
	for _, b := range []byte(name) {
		if '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' {
			file.WriteByte(b)
		} else {
			fmt.Fprintf(&file, "%%%02x", b)
		}
	}
	return file.String()
}

func unpack(t *testing.T, path string) string {
	t.Helper()
	directory := t.TempDir()
	for archive := tar.NewReader(bytes.NewReader(must.Gunzip(t, path))); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return directory
		}
		must.Succeed(t, err)
		if header.Typeflag != tar.TypeReg {
			continue
		}
		body, err := io.ReadAll(archive)
		must.Succeed(t, err)
		write(t, filepath.Join(directory, filepath.Clean(header.Name)), string(body))
	}
}

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	content, err := os.ReadFile(path)
	must.Succeed(t, err)
	must.Succeed(t, json.Unmarshal(content, into))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must.Succeed(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must.Succeed(t, os.WriteFile(path, []byte(content), 0o600))
}
