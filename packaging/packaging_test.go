// Package packaging_test checks what is packaged, and compose.yaml.
package packaging_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/config"
	"active_users_exporter/test/must"
)

// What gives the exporter the right to open Prosody's admin socket is the same in the
// documentation; collector/prosody tries it with a real Prosody.
func TestAdminSocketDropIn(t *testing.T) {
	line := regexp.MustCompile(`(?m)^ExecStartPost=.*chmod g\+w.*$`).FindString(must.ReadFile(t, "prosody-admin-socket.conf"))
	if line == "" || !strings.Contains(must.ReadFile(t, "../docs/prosody.md"), line) {
		t.Errorf("docs/prosody.md does not have %q", line)
	}
}

// Every example of a configuration that is packaged works once its servers are
// no comments any longer.
func TestPackagedConfiguration(t *testing.T) {
	content := must.ReadFile(t, "active_users.yml")
	token := filepath.Join(t.TempDir(), "push")
	must.WriteFile(t, token, "secret\n")
	text := regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAllString(content, "$1")
	text = strings.ReplaceAll(text, "/run/credentials/active_users_exporter.service/push", token)
	path := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, path, text)
	c, err := config.Source{File: path, LookupEnv: os.LookupEnv, StoragePath: "data"}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 5 || len(c.Reports.Tokens) != 1 {
		t.Errorf("%d servers, %d tokens; want 5 and 1", len(c.Servers), len(c.Reports.Tokens))
	}

	must.WriteFile(t, path, must.ReadFile(t, "kubernetes/active_users.yml"))
	if _, err := (config.Source{File: path, LookupEnv: os.LookupEnv}).Load(); err != nil {
		t.Error(err)
	}
}

// What Kubernetes, Prometheus, Compose and nfpm are to read is YAML, each key
// once.
func TestPackagedYAML(t *testing.T) {
	files := []string{"../compose.yaml", "nfpm.yaml"}
	for _, pattern := range []string{"kubernetes/*.yaml", "prometheus/*.yml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			continue
		}
		decoder := yaml.NewDecoder(bytes.NewReader(content))
		for {
			var document map[string]any
			err := decoder.Decode(&document)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Errorf("%s: %v", file, err)
				break
			}
		}
	}
}
