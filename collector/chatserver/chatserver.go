// Package chatserver says what a kind of chat server must have, so that all kinds
// can be configured, read and shown alike. Each has a folder of its own beside
// this one, which describes itself by a Kind; collector/servers lists them.
package chatserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// A Kind is a kind of chat server, such as Prosody.
type Kind struct {
	// Name stands after software in our configuration and before = on the command
	// line, and is the value of the label software.
	Name string
	// Title is the name that its makers write.
	Title string
	// Protocol is its name in NodeInfo: matrix or xmpp.
	Protocol string
	// ConfigFile is the usual name of its own configuration file, from which
	// Configure finds the records.
	ConfigFile string
	// Keys are the keys of our configuration that Configure reads, beside name,
	// software and from.
	Keys []string
	// KeysForFrom are those of the Keys that say where figures come from, so that
	// from can be missing.
	KeysForFrom []string
	// OnlineKey is that of the Keys which lets the reader know who is connected, ""
	// if nothing has to be set. Without it people count by their last SeenAt:
	// "login", "last logout".
	OnlineKey, SeenAt string
	// Configure reads one configured server. Mistakes are recorded in the Item.
	Configure func(*Item) Source
	// Collector returns the collector of the metrics that only this kind has, nil
	// if there are none. It shows what statuses returns at each scrape, in which
	// there are servers of other kinds as well.
	Collector func(statuses func() []collector.Status) metric.Described
}

// Names returns the names of kinds.
func Names(kinds []Kind) []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}

// Enumerate writes names as in "synapse, prosody or ejabberd".
func Enumerate(names []string, conjunction string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + conjunction + " " + names[last]
}

// A Source says where the records of a chat server are, and how to read them. Two
// Sources that are reflect.DeepEqual read the same.
type Source interface {
	// NewReader returns a reader that sorts clients into classes. It connects to
	// nothing yet.
	NewReader(classes *activity.Classes) collector.Reader
	// Reads returns what would be read, a line for each place and for the domains,
	// such as "database: postgresql, host db, port 5432, database synapse, user
	// exporter". It shows no passwords and connects to nothing.
	Reads() []string
}

// A Granted is a Source in databases in which rights are granted by table and column.
type Granted interface {
	Source
	// MissingGrants returns the rights that the exporter lacks, one item for each
	// database. It connects to them; an error is that of a database that cannot be
	// read, which a Reader finds as well.
	MissingGrants(ctx context.Context) ([]sqldb.Grants, error)
}

// MissingGrants asks each of several databases; zero Sources are left out.
func MissingGrants(ctx context.Context, databases []sqldb.Source, passwordFile string, needs ...sqldb.Need) (all []sqldb.Grants, err error) {
	for _, database := range databases {
		if database.IsZero() {
			continue
		}
		missing, failed := database.MissingGrants(ctx, sqldb.Options{PasswordFile: passwordFile}, needs...)
		all, err = append(all, missing), errors.Join(err, failed)
	}
	return all, err
}

// A LoginArchive is a Source that may also hold single logins from before the
// exporter's own history, for history import.
type LoginArchive interface {
	Source
	// ArchivedLogins calls use with each login in the archive, in any order, as far
	// back as the archive goes.
	ArchivedLogins(ctx context.Context, use func(Login)) error
}

// A Login is one login of a user.
type Login struct {
	Domain, User string
	At           time.Time
}

// Line returns a line of Reads about values, none if there are no values.
func Line(what string, values ...string) []string {
	values = slices.DeleteFunc(values, func(v string) bool { return v == "" })
	if len(values) == 0 {
		return nil
	}
	return []string{what + ": " + strings.Join(values, ", ")}
}

// An Item is one configured chat server: an item of servers in our configuration,
// or SOFTWARE=LOCATION on the command line.
type Item struct {
	// Document is the configuration file, one without content on the command line.
	*document.Document
	// At is the place that mistakes about the location are reported at, nil on the
	// command line.
	At *yaml.Node
	// Location is what from says, "" if it is missing.
	Location string
	// Values are those of the kind's keys that are there.
	Values map[string]*yaml.Node

	// Warnings are what Configure found odd but no mistake.
	Warnings []string

	mistake error // about the location on the command line, the first
}

// Locate calls locate with the location, if there is one, and with the folder that
// a relative path is below. Its error is a mistake in the location.
func (i *Item) Locate(locate func(location, folder string) error) {
	var err error
	switch {
	case i.Location == "":
		return
	case strings.Contains(i.Location, "password=") && !strings.Contains(i.Location, "://"):
		// As libpq takes it: no path, which errors would repeat.
		err = errors.New("not a database location: write postgres://USER@HOST/DATABASE")
	default:
		err = locate(i.Location, i.Folder())
	}
	if err != nil {
		i.WrongLocation(err)
	}
}

// WrongLocation records a mistake in the location.
func (i *Item) WrongLocation(err error) {
	if i.At != nil {
		i.Problem(i.At, "from: %s", err)
	} else if i.mistake == nil {
		i.mistake = err
	}
}

// Warn records a warning: a sentence that names files and keys, and no secrets.
func (i *Item) Warn(format string, args ...any) {
	i.Warnings = append(i.Warnings, fmt.Sprintf(format, args...))
}

// Valid returns true if no mistake has been found so far.
func (i *Item) Valid() bool { return i.mistake == nil && i.Err() == nil }

// At returns the Source of a location without further keys, as on the command
// line, with warnings. Its errors do not repeat the location, which may hold a
// password.
func (k Kind) At(location string) (Source, []string, error) {
	item := &Item{Document: document.New("", nil), Location: location}
	source := k.Configure(item)
	return source, item.Warnings, item.mistake
}
