package synapse

import (
	"errors"
	"os"
	"slices"
	"strings"

	"active_users_exporter/collector"
	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/collector/synapse/mas"
	"active_users_exporter/config/document"
)

// Kind describes Synapse.
func Kind() chatserver.Kind {
	return chatserver.Kind{
		Name: "synapse", Title: "Matrix Synapse", Protocol: "matrix", ConfigFile: "homeserver.yaml",
		Keys:      []string{"password_file", "mas", "mas_password_file", "bots"},
		Configure: configure, Collector: mas.NewCollector,
	}
}

// NewReader implements chatserver.Source.
func (o Options) NewReader(classes *activity.Classes) collector.Reader { return New(o, classes) }

// Reads implements chatserver.Source.
func (o Options) Reads() []string {
	lines := slices.Concat(chatserver.Line("database", o.Database.Describe()), chatserver.Line("domain", o.ServerName), chatserver.Line("bots", o.Bots...))
	if !o.MAS.IsZero() {
		lines = append(lines, chatserver.Line("mas", o.MAS.Database.Describe())...)
	}
	return lines
}

func configure(item *chatserver.Item) chatserver.Source {
	var o Options
	item.Locate(func(location, folder string) error { return o.locate(location, folder, item.Warn) })
	o.PasswordFile = item.DatabasePasswordFile(item.Values["password_file"], o.Database)
	o.MAS, o.Bots = configureMAS(item), item.Bots()
	return o
}

// configureMAS reads where the database of a Matrix Authentication Service is.
func configureMAS(item *chatserver.Item) (o mas.Options) {
	location, passwordFile := item.Values["mas"], item.Values["mas_password_file"]
	if location != nil {
		var err error
		if o, err = mas.Locate(item.Text(location, "mas"), item.Folder()); err != nil {
			item.Problem(location, "mas: %s", err)
		}
	}
	if passwordFile != nil {
		if location == nil {
			item.Problem(passwordFile, "mas_password_file needs mas, which says where the database is")
		}
		o.PasswordFile = item.Path(passwordFile, "mas_password_file")
	}
	return o
}

// locate takes the location of Synapse's database, or of the configuration file
// that names it.
func (o *Options) locate(location, folder string, warn func(format string, args ...any)) error {
	path := document.Below(folder, location)
	_, err := os.Stat(path)
	isFile := !strings.Contains(location, ":") || err == nil // as in /srv/example.org:8448/homeserver.yaml
	if isFile && strings.HasSuffix(location, ".db") {
		return errors.New("not a database location: write sqlite: before the path of an SQLite file")
	}
	if isFile {
		return readHomeserver(o, path, warn)
	}
	if o.Database, err = sqldb.ParseSourceBelow(location, folder); err == nil && o.Database.Engine() == sqldb.MySQL {
		return errors.New("Synapse has no MySQL databases: write postgres://USER@HOST/DATABASE or sqlite:/path/to/homeserver.db")
	}
	return err
}
