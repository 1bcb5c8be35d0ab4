package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"
	"github.com/google/go-cmp/cmp"

	"active_users_exporter/test/must"
)

// docs/configuration.md lists every flag of every command, with its default and its
// environment variable.
func TestFlagsAreDocumented(t *testing.T) {
	const path, begin, end = "docs/configuration.md", "<!-- flags: begin -->\n", "<!-- flags: end -->"
	document := must.ReadFile(t, path)
	before, rest, found := strings.Cut(document, begin)
	listed, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s has no %s … %s", path, begin, end)
	}
	app, _, _ := newApplication(io.Discard, io.Discard)
	want := flagTable(app.Model())
	if os.Getenv("UPDATE_FLAGS") != "" {
		must.WriteFile(t, path, before+begin+want+end+after)
		return
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("%s: run UPDATE_FLAGS=1 go test -run FlagsAreDocumented . (-program +document)\n%s", path, diff)
	}
	if !strings.Contains(want, "| `--storage.path` |") || !strings.Contains(want, "`history purge`") {
		t.Errorf("flags are missing from the table itself:\n%s", want)
	}
}

// flagTable is the table of flags, in the order of the help; a flag that several
// commands have is one row.
func flagTable(app *kingpin.ApplicationModel) string {
	type row struct {
		flag     *kingpin.FlagModel
		commands []string
	}
	var rows []*row
	add := func(command string, flags []*kingpin.FlagModel) {
		for _, f := range flags {
			if f.Hidden || f.Name == "help" {
				continue
			}
			i := slices.IndexFunc(rows, func(r *row) bool { return r.flag.Name == f.Name && r.flag.Help == f.Help })
			if i < 0 {
				i = len(rows)
				rows = append(rows, &row{flag: f})
			}
			rows[i].commands = append(rows[i].commands, command)
		}
	}
	add("all", app.Flags)
	for _, c := range app.FlattenedCommands() {
		add("`"+c.FullCommand+"`", c.Flags)
	}
	var table strings.Builder
	table.WriteString("| Flag | Commands | Default | Environment | Meaning |\n| --- | --- | --- | --- | --- |\n")
	for _, r := range rows {
		fmt.Fprintf(&table, "| `--%s` | %s | %s | %s | %s |\n", r.flag.Name, strings.Join(r.commands, ", "), defaultOf(r.flag), code(r.flag.Envar), r.flag.Help)
	}
	return table.String()
}

func defaultOf(f *kingpin.FlagModel) string {
	switch {
	case f.Required:
		return "required"
	case f.IsBoolFlag():
		return "off"
	case len(f.Default) == 0 || f.Default[0] == "":
		return "none"
	}
	return code(strings.Join(f.Default, ", "))
}

// code is text as Markdown writes code, "" if there is none.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
