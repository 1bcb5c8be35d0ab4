// Package samples is for tests alone: the records of real chat servers.
package samples

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"active_users_exporter/collector/usagereport"
)

// Now is the moment at which the real Synapse counted its sample.
func Now() time.Time { return time.Unix(1794236747, 0).UTC() }

// Unpack lays real servers' records into the directory: homeserver.db, the folder
// dendrite with its configuration and databases, and the data directory prosody. It takes them from the project, whose top folder is
// root.
func Unpack(root, directory string) error {
	dendrite := filepath.Join(directory, "dendrite")
	if err := os.Mkdir(dendrite, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dendrite, "dendrite.yaml"), []byte(dendriteYAML), 0o600); err != nil {
		return err
	}
	for packed, path := range map[string]string{
		"test/testdata/synapse/homeserver-sqlite-day69.db.gz":          "homeserver.db",
		"collector/dendrite/testdata/dendrite-sqlite.db.gz":            "dendrite/userapi.db",
		"collector/dendrite/testdata/dendrite-sqlite-roomserver.db.gz": "dendrite/roomserver.db",
	} {
		database, err := gunzip(filepath.Join(root, packed))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(directory, path), database, 0o600); err != nil {
			return err
		}
	}
	return Untar(filepath.Join(root, "collector/prosody/testdata/12-int/data_online.tar.gz"), directory, map[string]string{"data": "prosody"})
}

// dendriteYAML is a configuration of Dendrite with a database for each component.
const dendriteYAML = `version: 2
global:
  server_name: garden.example
  report_stats: {enabled: true}
user_api: {account_database: {connection_string: "file:userapi.db"}}
room_server: {database: {connection_string: "file:roomserver.db"}}
`

// Untar unpacks the files of an archive, with its first folders renamed.
func Untar(from, directory string, rename map[string]string) error {
	content, err := gunzip(from)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		first, rest, _ := strings.Cut(strings.TrimPrefix(header.Name, "./"), "/")
		path := filepath.Join(directory, rename[first], rest)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, body, 0o600); err != nil {
			return err
		}
	}
}

func gunzip(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(content)
}

// EveryStatistic ends a JSON object with all statistics that a usage report can
// have, except its time and total_users.
func EveryStatistic() string {
	var text strings.Builder
	for _, name := range usagereport.Names() {
		if name != "total_users" && name != "timestamp" {
			_, _ = fmt.Fprintf(&text, `,%q:12345`, name)
		}
	}
	return text.String()
}
