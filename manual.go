package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
)

// writeManual prints the manual page (section 1) of the program. kingpin's own has
// no summary, by which apropos finds it, and all of --version in its head.
func writeManual(app *kingpin.Application) error {
	context, err := app.ParseContext(nil)
	if err != nil {
		return fmt.Errorf("look at the command line: %w", err)
	}
	page := strings.NewReplacer("VERSION", version.Version, "PROGRAM", program).Replace(manual)
	return app.UsageForContextWithTemplate(context, 2, page)
}

// manual is the template of the page. A line of help never begins with a dot.
const manual = `.TH PROGRAM 1 "" "PROGRAM VERSION"
.SH NAME
PROGRAM \- Prometheus exporter of active users of chat servers
.SH SYNOPSIS
.B PROGRAM
[\fIcommand\fR] [\fIflags\fR]
.SH DESCRIPTION
{{.App.Help}}
.PP
Each flag with a variable can be given by it as well; a flag goes before its variable.
{{define "flags"}}{{range .}}{{if not .Hidden -}}
.TP
\fB{{if .Short}}\-{{.Short|Char}}, {{end}}\-\-{{.Name}}{{if not .IsBoolFlag}}=\fI{{.FormatPlaceHolder}}{{end}}\fR
{{.Help}}{{if .Envar}} Variable: {{.Envar}}.{{end}}
{{end}}{{end}}{{end -}}
.SH OPTIONS
{{template "flags" .App.Flags -}}
.SH COMMANDS
{{range .App.FlattenedCommands -}}
.SS {{.FullCommand}}{{range .Args}} \fI{{.Name}}\fR{{end}}
{{.Help}}
{{template "flags" .Flags -}}
{{end -}}
.SH EXIT STATUS
0: success. 1: something failed while it ran, or check\-config found something missing. 2: wrong usage or configuration.
.SH SEE ALSO
/usr/share/doc/active\-users\-exporter/README.md
`

// completing returns the arguments with which kingpin lists what can follow. It takes the
// beginning of a command for an argument of the default command: without that, it lists
// the commands.
func completing(args []string) []string {
	if last := len(args) - 1; last > 0 && args[0] == "--completion-bash" && !strings.HasPrefix(args[last], "-") {
		return args[:last]
	}
	return args
}
