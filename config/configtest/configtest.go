// Package configtest has what tests of configurations share.
package configtest

import (
	"os"
	"path/filepath"
	"testing"

	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/webapi"
)

// Files lays out a folder with files of the given contents and returns its path.
func Files(tb testing.TB, contents map[string]string) string {
	tb.Helper()
	directory := tb.TempDir()
	for name, content := range contents {
		path := filepath.Join(directory, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return directory
}

// Source returns the database at a location.
func Source(tb testing.TB, location string) sqldb.Source {
	tb.Helper()
	s, err := sqldb.ParseSource(location)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Endpoint returns the interface at a location.
func Endpoint(tb testing.TB, location string) webapi.Endpoint {
	tb.Helper()
	e, err := webapi.ParseEndpoint(location)
	if err != nil {
		tb.Fatal(err)
	}
	return e
}
