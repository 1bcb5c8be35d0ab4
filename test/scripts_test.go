package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){program: main})
}

// TestScripts runs whole commands; testdata/script says what users see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			return unpackSamples(env.WorkDir)
		},
	})
}

// unpackSamples lays real servers' records into the directory: homeserver.db
// and the data directory prosody.
func unpackSamples(directory string) error {
	if err := gunzip("testdata/synapse/homeserver-sqlite-day69.db.gz", filepath.Join(directory, "homeserver.db")); err != nil {
		return err
	}
	return untar("collector/prosody/testdata/12-int/data_online.tar.gz", directory, map[string]string{"data": "prosody"})
}

// untar unpacks the files of an archive, with its first folders renamed.
func untar(from, directory string, rename map[string]string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	content, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for archive := tar.NewReader(content); ; {
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
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
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

func gunzip(from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	content, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, content); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
