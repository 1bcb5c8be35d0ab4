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

// Unpack lays real servers' records into the directory: homeserver.db and the
// data directory prosody. It takes them from the project, whose top folder is
// root.
func Unpack(root, directory string) error {
	database, err := gunzip(filepath.Join(root, "test/testdata/synapse/homeserver-sqlite-day69.db.gz"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "homeserver.db"), database, 0o600); err != nil {
		return err
	}
	return Untar(filepath.Join(root, "collector/prosody/testdata/12-int/data_online.tar.gz"), directory, map[string]string{"data": "prosody"})
}

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
