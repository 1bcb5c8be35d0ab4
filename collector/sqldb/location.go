package sqldb

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"strings"
)

// ParseSourceBelow is ParseSource for a location in which the path of an SQLite
// file is relative to a folder.
func ParseSourceBelow(location, folder string) (Source, error) {
	path, ok := strings.CutPrefix(location, "sqlite:")
	if ok && path != "" && !strings.HasPrefix(path, "//") && !filepath.IsAbs(path) {
		location = "sqlite:" + filepath.Join(folder, path)
	}
	return ParseSource(location)
}

// DatabaseAt is ParseSourceBelow for what could also be a configuration file; it
// says what there can be.
func DatabaseAt(location, folder string) (Source, error) {
	if !strings.Contains(location, ":") {
		return Source{}, errors.New("neither a configuration file nor a database location: write postgres://USER@HOST/DATABASE, mysql://USER@HOST/DATABASE or, with sqlite: before it, the path of an SQLite file")
	}
	return ParseSourceBelow(location, folder)
}

// A Location are the parts of the location of a database server, as chat servers
// configure them.
type Location struct {
	// Host may be "unix:" with the path of a Unix socket behind it, as ejabberd
	// writes it.
	Host string
	// Port is the server's usual one if it is "".
	Port                     string
	Database, User, Password string
	// Encrypted asks for TLS, without a look at certificates.
	Encrypted bool
	// Authorities is the path of a file with the certificates of the authorities that
	// must have signed that of the server, "" not to look at it. The name in the
	// certificate does not matter, as to the database drivers of ejabberd. The
	// file is read at each connection.
	Authorities string
}

const unixSocket = "unix:"

// PostgreSQL returns the database of a PostgreSQL.
func (l Location) PostgreSQL() (Source, error) {
	values := url.Values{}
	u := url.URL{Scheme: "postgres", User: l.userinfo(), Path: "/" + l.Database}
	if strings.ContainsAny(l.Database, "@/") { // else it looks like a misplaced password
		u.Path = "/"
		values.Set("dbname", l.Database)
	}
	if path, ok := strings.CutPrefix(l.Host, unixSocket); ok { // libpq wants its folder
		port, ok := strings.CutPrefix(filepath.Base(path), ".s.PGSQL.")
		if !ok {
			return Source{}, errors.New("the socket is not named .s.PGSQL.PORT, as PostgreSQL names its own: give the location as postgres:///DATABASE?host=FOLDER")
		}
		values.Set("host", filepath.Dir(path))
		if port != "5432" {
			values.Set("port", port)
		}
	} else {
		u.Host = net.JoinHostPort(l.Host, cmp.Or(l.Port, "5432"))
	}
	if l.Encrypted {
		values.Set("sslmode", "require")
	}
	u.RawQuery = values.Encode()
	return l.parse(u)
}

// MySQL returns the database of a MySQL or MariaDB.
func (l Location) MySQL() (Source, error) {
	values := url.Values{}
	u := url.URL{Scheme: "mysql", User: l.userinfo(), Path: "/" + l.Database}
	if path, ok := strings.CutPrefix(l.Host, unixSocket); ok {
		values.Set("socket", path)
	} else {
		u.Host = net.JoinHostPort(l.Host, cmp.Or(l.Port, "3306"))
	}
	if l.Encrypted {
		values.Set("tls", "preferred")
	}
	u.RawQuery = values.Encode()
	return l.parse(u)
}

func (l Location) parse(u url.URL) (Source, error) {
	source, err := ParseSource(u.String())
	if err == nil && l.Encrypted {
		source.authorities = l.Authorities
	}
	return source, err
}

func (l Location) userinfo() *url.Userinfo {
	if l.Password == "" {
		return url.User(l.User)
	}
	return url.UserPassword(l.User, l.Password)
}
