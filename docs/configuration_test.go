package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/maxmind/mmdbwriter"
	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/servers"
	"active_users_exporter/config"
	"active_users_exporter/test/must"
)

// mappings are the mappings of the configuration file, as the calls of Mapping in
// config/ name them, and what the names of their keys begin with in the document.
func mappings() map[string]string {
	return map[string]string{
		"the configuration": "", "storage": "storage.", "reports": "reports.", "a token": "reports.tokens[].",
		"nodeinfo": "nodeinfo.", "privacy": "privacy.", "a client": "clients[].", "a server": "servers[].",
	}
}

// acceptedKeys returns every key that the source of config/ and the kinds of chat
// servers accept, as the document writes them.
func acceptedKeys(t *testing.T) []string {
	t.Helper()
	var keys []string
	left := mappings()
	for _, path := range must.Get(filepath.Glob("../config/*.go"))(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file := must.Get(parser.ParseFile(token.NewFileSet(), path, nil, 0))(t)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "Mapping" || len(call.Args) < 3 {
				return true
			}
			what := literal(call.Args[1])
			prefix, known := mappings()[what]
			if !known {
				t.Errorf("%s reads a mapping %q that docs/configuration_test.go does not know", path, what)
			}
			delete(left, what)
			for _, argument := range call.Args[2:] {
				if key := literal(argument); key != "" {
					keys = append(keys, prefix+key)
				}
			}
			return true
		})
	}
	if len(left) > 0 {
		t.Errorf("nothing in config/ reads the mappings %q", slices.Sorted(maps.Keys(left)))
	}
	keys = append(keys, "servers[].name", "servers[].software", "servers[].from")
	for _, kind := range servers.Kinds() {
		for _, key := range kind.Keys {
			keys = append(keys, "servers[]."+key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// literal is the value of a string literal, "" of anything else.
func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	text, _ := strconv.Unquote(l.Value)
	return text
}

// docs/configuration.md has a row for each key that the program accepts, and for no
// other.
func TestKeysAreDocumented(t *testing.T) {
	var documented []string
	row := regexp.MustCompile("(?m)^\\| `([a-z_\\[\\].]+)` \\|")
	_, tables, _ := strings.Cut(must.ReadFile(t, "configuration.md"), "## Keys of the file")
	tables, _, _ = strings.Cut(tables, "\n## ")
	for _, found := range row.FindAllStringSubmatch(tables, -1) {
		documented = append(documented, found[1])
	}
	slices.Sort(documented)
	accepted := acceptedKeys(t)
	if diff := cmp.Diff(accepted, documented); diff != "" {
		t.Errorf("keys of the tables in docs/configuration.md (-accepted +documented):\n%s", diff)
	}
	if len(accepted) < 40 {
		t.Errorf("only %d keys were found in the source", len(accepted))
	}
}

// Each key of servers names in the table the software that understands it.
func TestKeysNameTheirSoftware(t *testing.T) {
	document := must.ReadFile(t, "configuration.md")
	keys := make(map[string][]string)
	for _, kind := range servers.Kinds() {
		for _, key := range kind.Keys {
			keys[key] = append(keys[key], kind.Name)
		}
	}
	for key, software := range keys {
		column := strings.Join(software, ", ")
		if len(software) == len(servers.Kinds()) {
			column = "all"
		}
		if want := "| `servers[]." + key + "` | " + column + " |"; !strings.Contains(document, want) {
			t.Errorf("docs/configuration.md has no row %q", want)
		}
	}
}

// yamlBlock returns the first block of YAML after a heading of a document, without
// its indentation.
func yamlBlock(t *testing.T, path, after string) string {
	t.Helper()
	_, rest, found := strings.Cut(must.ReadFile(t, path), after)
	before, block, opened := strings.Cut(rest, "```yaml\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !opened || !closed {
		t.Fatalf("%s has no YAML after %q", path, after)
	}
	indent := before[strings.LastIndexByte(before, '\n')+1:]
	var lines []string
	for line := range strings.Lines(block) {
		lines = append(lines, strings.TrimPrefix(line, indent))
	}
	return strings.Join(lines, "")
}

// The example of docs/configuration.md works, and has every key.
func TestExampleHasEveryKey(t *testing.T) {
	content := yamlBlock(t, "configuration.md", "## Example")
	folder := t.TempDir()
	must.Succeed(t, os.Mkdir(filepath.Join(folder, "secrets"), 0o700))
	must.WriteFile(t, filepath.Join(folder, "secrets", "push"), "secret\n")
	must.WriteFile(t, filepath.Join(folder, "dendrite.yaml"), "global: {server_name: example.com, database: {connection_string: 'postgres://h/dendrite'}}\n")
	tree := must.Get(mmdbwriter.New(mmdbwriter.Options{DatabaseType: "GeoLite2-Country", RecordSize: 24}))(t)
	countries := must.Get(os.Create(filepath.Join(folder, "GeoLite2-Country.mmdb")))(t)
	_ = must.Get(tree.WriteTo(countries))(t)
	must.Succeed(t, countries.Close())
	path := filepath.Join(folder, "active_users.yml")
	must.WriteFile(t, path, strings.ReplaceAll(content, "/etc/dendrite/", ""))
	c, err := config.Source{File: path, LookupEnv: func(name string) (string, bool) { return "secret", name == "PUSH_TOKEN" }}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != len(servers.Kinds()) || c.Servers[2].Source.(prosody.Options).AdminSocket == "" || len(c.Reports.Tokens) != 2 {
		t.Errorf("%+v", c)
	}
	var root yaml.Node
	must.Succeed(t, yaml.Unmarshal([]byte(content), &root))
	used := make(map[string]bool)
	collectKeys(root.Content[0], "", used)
	if diff := cmp.Diff(acceptedKeys(t), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("keys of the example (-accepted +used):\n%s", diff)
	}
}

// collectKeys adds the keys of a mapping, and of those inside it, as the document
// writes them.
func collectKeys(n *yaml.Node, prefix string, used map[string]bool) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		name, value := prefix+n.Content[i].Value, n.Content[i+1]
		used[name] = true
		collectKeys(value, name+".", used)
		for _, item := range value.Content {
			if value.Kind == yaml.SequenceNode {
				collectKeys(item, name+"[].", used)
			}
		}
	}
}

// The configuration of the README's path works as it stands, and its unit hands over
// the password that it names.
func TestReadmeConfiguration(t *testing.T) {
	readme := must.ReadFile(t, "../README.md")
	path := filepath.Join(t.TempDir(), "active_users.yml")
	must.WriteFile(t, path, yamlBlock(t, "../README.md", "## Install"))
	c, err := config.Source{File: path, LookupEnv: os.LookupEnv}.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Servers) != 2 || c.Servers[0].Software != "synapse" || c.Servers[1].Source.(prosody.Options).DataPath != "/var/lib/prosody" {
		t.Errorf("%+v", c)
	}
	credential := regexp.MustCompile(`/run/credentials/active_users_exporter\.service/(\w+)`).FindStringSubmatch(readme)
	loaded := regexp.MustCompile(`LoadCredential=(\w+):(\S+)`).FindStringSubmatch(readme)
	if credential == nil || loaded == nil || credential[1] != loaded[1] || strings.Count(readme, loaded[2]) < 3 {
		t.Errorf("the README names the credential %q and hands over %q", credential, loaded)
	}
}

// Each message of docs/troubleshooting.md is one that the program has.
func TestMessagesExist(t *testing.T) {
	var source strings.Builder
	must.Succeed(t, filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			source.WriteString(must.ReadFile(t, path))
		}
		return err
	}))
	_, table, _ := strings.Cut(must.ReadFile(t, "troubleshooting.md"), "\n## Messages\n")
	table, _, _ = strings.Cut(table, "\n## ")
	checked := 0
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(table, -1) {
		for part := range strings.SplitSeq(row[1], "…") {
			part = strings.Trim(part, " ()")
			if part == "" || row[1] == "address already in use" { // said by the operating system
				continue
			}
			checked++
			if !strings.Contains(source.String(), part) {
				t.Errorf("docs/troubleshooting.md quotes a message that the program does not have: %s", part)
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d messages were found", checked)
	}
}

// A newcomer is stopped by a Go that is too old, so the README names the version of
// go.mod.
func TestReadmeNamesTheVersionOfGo(t *testing.T) {
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(must.ReadFile(t, "../go.mod"))
	if version == nil || !strings.Contains(must.ReadFile(t, "../README.md"), "Go "+version[1]) {
		t.Errorf("go.mod has %q; the README names another one", version)
	}
}

// The first page stays one that is read to its end.
func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(must.ReadFile(t, "../README.md"), "\n"); lines > 180 {
		t.Errorf("README.md has %d lines; the rest belongs to docs/", lines)
	}
}
