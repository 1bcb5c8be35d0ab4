package test

import (
	"errors"
	"fmt"
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
	"active_users_exporter/config"
	"active_users_exporter/config/document"
	"active_users_exporter/test/guestbook"
	"active_users_exporter/test/must"
)

// This test says what else a new kind of chat server needs.
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
	_, _, err := k.At(filepath.Join("nowhere", k.ConfigFile))
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

// A fifth kind is a folder, test/guestbook, and one line: here it stands in the
// test, in the product it would stand in servers.Kinds.
func TestAFifthKind(t *testing.T) {
	kinds := append(servers.Kinds(), guestbook.Kind())
	folder := t.TempDir()
	makeSQLite(t, filepath.Join(folder, "book.db"),
		`CREATE TABLE seen (domain TEXT, name TEXT, at INTEGER)`, `CREATE TABLE pages (page TEXT)`,
		`INSERT INTO pages VALUES ('a'), ('b'), ('c')`,
		fmt.Sprintf(`INSERT INTO seen VALUES ('inn.example', 'ada', %d), ('inn.example', 'bob', %d), ('inn.example', 'old', 1), ('back.example', 'eve', %d)`,
			faultsAt.Unix()-10, faultsAt.Unix()-3600, faultsAt.Unix()-10))
	source := func(content string) config.Source {
		path := filepath.Join(folder, "active_users.yml")
		must.WriteFile(t, path, content)
		return config.Source{Kinds: kinds, File: path, LookupEnv: os.LookupEnv}
	}
	t.Run("it is read and shown", func(t *testing.T) {
		e := newByHandFrom(t, source("servers: [{name: inn, software: guestbook, from: 'sqlite:book.db', hidden_domain: back.example}]\n"), faultsAt)
		must.Succeed(t, e.refresh(t, "inn"))
		shown := e.scrape(t)
		for sample, want := range map[string]string{
			`chat_active_users{domain="inn.example",server="inn",window="1d"}`:                 "2",
			`chat_server_info{database="sqlite",server="inn",software="guestbook",version=""}`: "1",
			`guestbook_pages{server="inn"}`:                                                    "3",
		} {
			if shown[sample] != want {
				t.Errorf("%s %q, want %s", sample, shown[sample], want)
			}
		}
		if hidden := shown.Only(`chat_active_users{domain="back.example"`); len(hidden) > 0 {
			t.Errorf("the hidden domain is shown: %v", hidden)
		}
	})
	t.Run("its mistakes are explained", func(t *testing.T) {
		for content, says := range map[string]string{
			"servers: [{software: guestbok, from: x}]":                                      `"guestbok" is no known chat server: ` + chatserver.Enumerate(append(chatserver.Names(servers.Kinds()), "guestbook"), "and") + ` are`,
			"servers: [{software: guestbook, from: 'sqlite:'}]":                             "active_users.yml:1:39: from: no file named",
			"servers: [{software: prosody, from: /x, hidden_domain: x}]":                    "hidden_domain is for software: guestbook",
			"servers: [{software: guestbook, from: 'sqlite:x.db', status_url: 'http://x'}]": "status_url is for software: prosody",
			"servers: [{software: guestbook, from: 'sqlite:x.db', hiden_domain: x}]":        `did you mean "hidden_domain"?`,
		} {
			if _, err := source(content).Load(); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: error %v, want one that says %q", content, err, says)
			}
		}
	})
	t.Run("the walk demands what it lacks", func(t *testing.T) {
		want := []string{
			"a locator that reads guestbook.ini", "its title in the README", "a page in docs/",
			"its configuration file in a document", "its key hidden_domain in a document",
			"a line in docs/privacy.md", "a line in docs/definitions.md", "a row in the fault campaign",
		}
		if diff := cmp.Diff(want, missing(t, guestbook.Kind())); diff != "" {
			t.Error(diff)
		}
	})
}
