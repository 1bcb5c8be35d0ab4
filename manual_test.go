package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kingpin/v2"

	"active_users_exporter/test/must"
)

// The manual page has a summary, and every command and flag; where man is installed, it
// finds nothing wrong with it.
func TestManualIsComplete(t *testing.T) {
	page := runs(t, "--help-man")
	if !strings.HasPrefix(page, ".TH active_users_exporter 1 ") || !strings.Contains(page, "\nactive_users_exporter \\- Prometheus exporter") || strings.Contains(page, "go version") {
		t.Errorf("the head is\n%.300s", page)
	}
	app, _, _ := newApplication(new(bytes.Buffer), new(bytes.Buffer))
	has := func(flags []*kingpin.FlagModel) {
		for _, f := range flags {
			if !f.Hidden && !strings.Contains(page, `\-\-`+f.Name) || f.Envar != "" && !strings.Contains(page, "Variable: "+f.Envar+".") {
				t.Errorf("--%s is missing", f.Name)
			}
		}
	}
	has(app.Model().Flags)
	for _, c := range app.Model().FlattenedCommands() {
		if !strings.Contains(page, "\n.SS "+c.FullCommand) {
			t.Errorf("%s is missing", c.FullCommand)
		}
		has(c.Flags)
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		return // where it is installed, .ci/packages uses it on the finished page
	}
	command := exec.CommandContext(t.Context(), groff, "-Kutf8", "-man", "-Tutf8", "-ww")
	command.Stdin = strings.NewReader(page)
	var warnings bytes.Buffer
	command.Stderr = &warnings
	shown := must.Get(command.Output())(t)
	if warnings.Len() > 0 || len(shown) < len(page)/2 {
		t.Errorf("groff says %s", warnings.String())
	}
}
