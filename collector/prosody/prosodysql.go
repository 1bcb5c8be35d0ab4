package prosody

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"active_users_exporter/collector/prosody/luaconfig"
	"active_users_exporter/collector/sqldb"
	"active_users_exporter/config/document"
)

// sqlOptions are those of the option sql, which LuaDBI gets as texts.
type sqlOptions luaconfig.Table

func (o sqlOptions) text(name string) string {
	switch v := o.Fields[name].(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case float64: // LuaDBI cuts it
		return strconv.FormatInt(int64(v), 10)
	}
	return ""
}

// sql returns the database of mod_storage_sql, whose options are sql.
func (h hostOptions) sql(dataPath string) (sqldb.Source, error) {
	switch given := h.get("sql").(type) {
	case nil:
		return sqlOptions{Fields: map[string]any{"driver": "SQLite3"}}.source(dataPath)
	case luaconfig.Table:
		return sqlOptions(given).source(dataPath)
	}
	return sqldb.Source{}, errors.New("it is no table of options, as Prosody demands")
}

func (o sqlOptions) source(dataPath string) (sqldb.Source, error) {
	driver, database := o.text("driver"), o.text("database")
	switch {
	case driver == "":
		return sqldb.Source{}, errors.New("no driver is named: Prosody demands one")
	case driver == "SQLite3" && database == ":memory:":
		return sqldb.Source{}, errors.New("the database is in Prosody's memory")
	case driver == "SQLite3":
		return sqldb.ParseSource("sqlite:" + document.Below(dataPath, cmp.Or(database, "prosody.sqlite")))
	case driver != "PostgreSQL" && driver != "MySQL":
		return sqldb.Source{}, fmt.Errorf("driver %q is none of SQLite3, PostgreSQL and MySQL", driver)
	case database == "":
		return sqldb.Source{}, errors.New("no database is named: Prosody demands one")
	}
	return o.server(driver, database)
}

// server returns the database of a server of PostgreSQL or MySQL.
func (o sqlOptions) server(driver, database string) (sqldb.Source, error) {
	scheme, standard := "postgres", "5432"
	if driver == "MySQL" {
		scheme, standard = "mysql", "3306"
	}
	u, query := url.URL{Scheme: scheme, Path: "/" + database}, url.Values{}
	switch user, password := o.text("username"), o.text("password"); {
	case user != "":
		u.User = url.UserPassword(user, password)
	case password != "" && driver == "PostgreSQL": // of the user that libpq takes
		query.Set("password", password)
	}
	host, port := cmp.Or(o.text("host"), "localhost"), cmp.Or(o.text("port"), standard)
	switch {
	case !strings.HasPrefix(host, "/"):
		u.Host = net.JoinHostPort(host, port)
	case driver == "MySQL":
		return sqldb.Source{}, errors.New("host is a path, which MySQL's client does not take: leave it out for the usual socket")
	default: // libpq takes the folder of a socket as host
		query.Set("host", host)
		query.Set("port", port)
	}
	u.RawQuery = query.Encode()
	return sqldb.ParseSource(u.String())
}
