package dendrite

import (
	"errors"
	"slices"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// Kind describes Dendrite.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "dendrite", Title: "Dendrite", Protocol: "matrix", ConfigFile: "dendrite.yaml",
		Keys:      []string{"password_file", "bots"},
		Configure: configure, Collector: NewCollector,
	}
}

// NewReader implements chatserver.Source.
func (o Options) NewReader(classes *activity.Classes) collector.Reader { return New(o, classes) }

// Reads implements chatserver.Source.
func (o Options) Reads() []string {
	lines := slices.Concat(chatserver.Line("database", o.Database.Describe()), chatserver.Line("domain", o.ServerName), chatserver.Line("bots", o.Bots...))
	if !o.Rooms.IsZero() {
		lines = append(lines, chatserver.Line("rooms", o.Rooms.Describe())...)
	}
	return lines
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(o.locate)
	o.Bots = item.Bots()
	o.PasswordFile = item.DatabasePasswordFile(item.Values["password_file"], o.Database)
	return o
}

// locate takes the location of the database of Dendrite's user API, or of the
// configuration file that names it.
func (o *Options) locate(location, folder string) (err error) {
	isFile := !strings.Contains(location, ":")
	switch {
	case isFile && strings.HasSuffix(location, ".db"):
		return errors.New("not a database location: write sqlite: before the path of an SQLite file")
	case isFile:
		*o, err = readDendriteYAML(document.Below(folder, location))
		return err
	}
	if strings.HasPrefix(location, fileScheme) { // as dendrite.yaml writes it
		path, err := filePath(location)
		if err != nil {
			return err
		}
		location = "sqlite:" + path
	}
	if o.Database, err = sqldb.ParseSourceBelow(location, folder); err == nil && o.Database.Engine() == sqldb.MySQL {
		return errors.New("Dendrite has no MySQL databases: write postgres://USER@HOST/DATABASE or sqlite:/path/to/dendrite_userapi.db")
	}
	return err
}
