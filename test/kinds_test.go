package test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/servers"
	"active_users_exporter/config/document"
)

// Whoever adds a kind of chat server is told what else there must be.
func TestKindsAreComplete(t *testing.T) {
	kinds := servers.Kinds()
	if len(kinds) < 4 {
		t.Fatalf("%d kinds", len(kinds))
	}
	for _, k := range kinds {
		if diff := cmp.Diff([]string(nil), missing(t, k)); diff != "" {
			t.Errorf("%s lacks %s", k.Name, diff)
		}
	}
}

// missing says what a kind of chat server lacks, in the code and around it.
func missing(t *testing.T, k chatserver.Kind) (all []string) {
	t.Helper()
	demand := func(there bool, what string) {
		if !there {
			all = append(all, what)
		}
	}
	read := func(path string) string {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	demand(k.Name != "" && k.Name == strings.ToLower(k.Name), "a name in small letters")
	demand(k.Title != "", "a title")
	demand(k.Protocol != "", "a protocol")
	demand(len(k.Keys) > 0, "keys")
	for _, key := range append(slices.Clone(k.KeysForFrom), k.OnlineKey) {
		demand(key == "" || slices.Contains(k.Keys, key), "the key "+key+" among its keys")
	}
	demand((k.OnlineKey == "") == (k.SeenAt == ""), "both OnlineKey and SeenAt")

	source := k.Configure(&chatserver.Item{Document: document.New("", nil)})
	demand(source != nil, "a source")
	if source != nil {
		reader := source.NewReader(activity.SynapseClasses())
		demand(reader != nil, "a reader")
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := k.At(filepath.Join("nowhere", k.ConfigFile))
	demand(errors.Is(err, fs.ErrNotExist), "a locator that reads "+k.ConfigFile)

	readme := read("../README.md")
	demand(strings.Contains(readme, k.Title), "its title in the README")
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var page, documents string
	for _, path := range pages {
		content := read(path)
		documents += content
		if title, _, _ := strings.Cut(content, "\n"); strings.Contains(strings.ToLower(title), k.Name) {
			page = path
		}
	}
	demand(page != "", "a page in docs/")
	demand(strings.Contains(readme+documents, k.ConfigFile), "its configuration file in a document")
	for _, key := range k.Keys {
		demand(strings.Contains(readme+documents, key), "its key "+key+" in a document")
	}
	for _, path := range []string{"../docs/privacy.md", "../docs/definitions.md"} {
		demand(strings.Contains(strings.ToLower(read(path)), k.Name), "a line in "+strings.TrimPrefix(path, "../"))
	}
	broken := false
	for name := range faultyServers() {
		broken = broken || strings.HasPrefix(strings.ToLower(name), k.Name+",")
	}
	demand(broken, "a row in the fault campaign")
	return all
}
