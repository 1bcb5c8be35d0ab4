package main

import (
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	unpack := exec.Command("tar", "-xzf", "collector/prosody/testdata/12-int/data_online.tar.gz", "-C", directory)
	if output, err := unpack.CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w: %s", err, output)
	}
	return os.Rename(filepath.Join(directory, "data"), filepath.Join(directory, "prosody"))
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
