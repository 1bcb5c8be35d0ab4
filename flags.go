package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/go-kit/log"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/servers"
	"active_users_exporter/config"
	"active_users_exporter/config/document"
)

// flagger is a kingpin application or command.
type flagger interface {
	Flag(name, help string) *kingpin.FlagClause
}

// enved adds flags that have an environment variable named after them:
// --log.level is also ACTIVE_USERS_LOG_LEVEL.
type enved struct{ flagger }

// Flag adds a flag.
func (e enved) Flag(name, help string) *kingpin.FlagClause {
	variable := "ACTIVE_USERS_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
	return e.flagger.Flag(name, help).Envar(variable)
}

// Choice adds a flag that takes one of a few words, the first unless it is set.
func (e enved) Choice(name, help string, of ...string) *string {
	c := &choice{of: of}
	e.Flag(name, help).Default(of[0]).SetValue(c)
	return &c.value
}

// choice is what such a flag is set to. Unlike kingpin's Enum it lists its words in
// their order.
type choice struct {
	of    []string
	value string
}

func (c *choice) String() string { return c.value }

// Set takes one of the words.
func (c *choice) Set(value string) error {
	if !slices.Contains(c.of, value) {
		return fmt.Errorf("want one of %s", strings.Join(c.of, ", "))
	}
	c.value = value
	return nil
}

// duration is what a flag for a duration is set to, which is written as in the
// configuration file.
type duration time.Duration

func (d *duration) String() string {
	if *d == 0 { // not set
		return ""
	}
	return time.Duration(*d).String()
}

// Set takes a duration that is more than 0.
func (d *duration) Set(text string) error {
	v, err := document.ParseDuration(text)
	*d = duration(v)
	return err
}

// addLogFlags adds the flags of the log to all commands, and returns what
// makes the loggers that they ask for.
func addLogFlags(app *kingpin.Application) func(io.Writer) (log.Logger, *slog.Logger) {
	lowest := enved{app}.Choice("log.level", "Least severe messages to log: info, debug, warn or error.", "info", "debug", "warn", "error")
	format := enved{app}.Choice("log.format", "Format of the log: logfmt or json.", "logfmt", "json")
	return func(w io.Writer) (log.Logger, *slog.Logger) { return newLogger(w, *format, *lowest) }
}

// addSourceFlags adds the flags that say which chat servers to read.
func addSourceFlags(cmd flagger) *config.Source {
	source := addConfigFlag(cmd)
	kinds := servers.Kinds()
	var files []string
	for _, k := range kinds {
		files = append(files, k.ConfigFile)
	}
	enved{cmd}.Flag("server", "A chat server to read, beside or instead of a configuration file: "+
		"SOFTWARE is "+chatserver.Enumerate(chatserver.Names(kinds), "or")+"; LOCATION is the server's own configuration file ("+strings.Join(files, ", ")+"), "+
		"Prosody's data directory, or a database: postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or sqlite:FILE. Repeatable.").
		PlaceHolder("SOFTWARE=LOCATION").StringsVar(&source.Servers)
	return source
}

// addConfigFlag adds the flag that names the configuration file.
func addConfigFlag(cmd flagger) *config.Source {
	source := &config.Source{LookupEnv: os.LookupEnv}
	enved{cmd}.Flag("config.file", "Configuration file (YAML).").PlaceHolder("FILE").StringVar(&source.File)
	return source
}

// defaultStorage is where the history is unless something else is said.
const defaultStorage = "data/"

// addStorageFlag adds the flag that says where the history is.
func addStorageFlag(cmd flagger, source *config.Source) {
	enved{cmd}.Flag("storage.path", "Folder of the visit history and of usage reports, or postgres://USER@HOST/DATABASE, unless the configuration file names one; empty to keep none.").
		Default(defaultStorage).StringVar(&source.StoragePath)
}

// addReportsFlag adds the flag that says where reports are received.
func addReportsFlag(cmd flagger, source *config.Source) {
	enved{cmd}.Flag("reports.listen-address", "Address on which to receive pushed usage reports, such as 127.0.0.1:10053. Overrides the configuration file; none without either.").
		PlaceHolder("ADDRESS").StringVar(&source.ReportsAddress)
}

// webFlags say where and how the main listener serves.
type webFlags struct {
	toolkit       *web.FlagConfig
	telemetryPath string
	people        *string // on or off
}

// addWebFlags adds the flags of the main listener.
func addWebFlags(cmd flagger) *webFlags {
	f := &webFlags{toolkit: kingpinflag.AddFlags(enved{cmd}, ":10052")}
	enved{cmd}.Flag("web.telemetry-path", "Path under which to serve the metrics.").Default("/metrics").StringVar(&f.telemetryPath)
	f.people = enved{cmd}.Choice("web.pages", "Pages for people, / and /domain/…: on or off.", "on", "off")
	return f
}
