// The command active_users_exporter shows the people who run chat servers how
// many people use them: a Prometheus exporter of daily, weekly and monthly
// active users and of retention, read from the servers' own records.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log"
	"github.com/prometheus/common/version"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/servers"
)

const program = "active_users_exporter"

// Exit codes.
const (
	exitOK    = 0
	exitFault = 1 // something failed while running
	exitUsage = 2 // wrong usage or configuration
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is main with deferred calls: it returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	if info, ok := debug.ReadBuildInfo(); ok && version.Version == "" { // built without make
		version.Version = strings.Trim(info.Main.Version, "()")
	}
	app, commands, logger := newApplication(stdout, stderr)
	if slices.Equal(args, []string{"--help-man"}) {
		return exitCode(writeManual(app), stderr)
	}
	selected, err := app.Parse(completing(args))
	settings := settingsOfFlags(app, args)
	if err != nil {
		if mistake := settings.mistake(); mistake != nil {
			err = mistake
		}
		return exitCode(&usageError{fmt.Errorf("%w; try --help", err)}, stderr)
	}
	clock, err := clockFrom(os.LookupEnv)
	if err != nil {
		return exitCode(&usageError{err}, stderr)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	e := environment{clock: clock, stdout: stdout, stderr: stderr}
	e.logger, e.slogger = logger(stderr)
	return exitCode(settings.attribute(commands[selected](ctx, e)), stderr)
}

// newApplication returns the command line: its commands by name, and what makes the
// loggers that its flags ask for.
func newApplication(stdout, stderr io.Writer) (*kingpin.Application, map[string]command, func(io.Writer) (log.Logger, *slog.Logger)) {
	var titles []string
	for _, k := range servers.Kinds() {
		titles = append(titles, k.Title)
	}
	app := kingpin.New(program, "A Prometheus exporter of active users of chat servers: "+chatserver.Enumerate(titles, "and")+".\n\n"+
		"Example: "+program+" --server=synapse=sqlite:/var/lib/matrix-synapse/homeserver.db --server=prosody=/var/lib/prosody")
	app.Version(version.Print(program)).UsageWriter(stdout).ErrorWriter(stderr)
	app.HelpFlag.Short('h')
	app.UsageTemplate(kingpin.DefaultUsageTemplate + defaultCommandFlags)
	logger := addLogFlags(app)
	commands := map[string]command{
		"serve":        addServe(app),
		"report":       addReport(app),
		"check-config": addCheckConfig(app),
		"backfill":     addBackfill(app),
		"demo":         addDemo(app),
		"healthcheck":  addHealthcheck(app),
	}
	maps.Copy(commands, addReports(app))
	maps.Copy(commands, addHistory(app))
	return app, commands, logger
}

// defaultCommandFlags ends the help: most users never name a command.
const defaultCommandFlags = `{{if not .Context.SelectedCommand -}}
{{range .App.Commands}}{{if .Default -}}
Flags of {{.Name}}:
{{.Flags|FlagsToTwoColumns|FormatTwoColumns}}
{{end}}{{end}}{{end -}}
`

// A command does what it says on the command line, until done or ctx ends.
type command func(ctx context.Context, e environment) error

// environment is what commands need of the process.
type environment struct {
	clock          func() time.Time
	stdout, stderr io.Writer
	logger         log.Logger
	slogger        *slog.Logger // writes the same log, for libraries
}

// exitCode says what went wrong, unless that has been said.
func exitCode(err error, stderr io.Writer) int {
	var mistake *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFault
	case errors.As(err, &mistake):
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, err)
		return exitUsage
	default:
		_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, err)
		return exitFault
	}
}

// errReported is a failure that has already been reported to the user.
var errReported = errors.New("reported")

// usageError is a mistake of the user's: in the command line or configuration.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// clockFrom returns the clock that figures are counted by: the system's, or
// one that stands still at ACTIVE_USERS_NOW (Unix seconds), for checks against
// records whose right figures are known.
func clockFrom(lookup func(string) (string, bool)) (func() time.Time, error) {
	text, set := lookup("ACTIVE_USERS_NOW")
	if !set || text == "" {
		return time.Now, nil
	}
	unix, err := strconv.ParseInt(text, 10, 64)
	if err != nil || unix < 0 {
		return nil, fmt.Errorf("ACTIVE_USERS_NOW=%q: want Unix seconds, such as 1794236747", text)
	}
	return func() time.Time { return time.Unix(unix, 0).UTC() }, nil
}
